/** Remembers that a database has had an admission store. */
export abstract class StoreRegister {
  /**
   * Whether this generation is that of the first store of the database. If none was there before, it is from now on.
   * @throws Fault `service_unavailable` if that can't be told
   */
  abstract isFirst(generation: string): Promise<boolean>;
}
