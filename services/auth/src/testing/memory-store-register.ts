import { StoreRegister } from '../ports/store-register.js';

/** The register in memory. */
export class MemoryStoreRegister extends StoreRegister {
  first: string | undefined;
  /** How often it was asked. */
  asked = 0;
  /** Runs before each question, and may fail it. */
  before: () => Promise<void> = () => Promise.resolve();

  override async isFirst(generation: string): Promise<boolean> {
    this.asked += 1;
    await this.before();
    this.first ??= generation;
    return this.first === generation;
  }
}
