import type { StoreRegister } from './ports/store-register.js';
import type { AdmissionStore } from './store/admission-store.js';

/** Tells a store whose file is new whether there was another one before: its holds may be in use still. */
export class StoreOrigin {
  /** A generation that is known not to be the first. */
  #replacement: string | undefined;
  #asking: Promise<boolean> | undefined;

  constructor(
    private readonly store: Pick<AdmissionStore, 'generation' | 'nothingLost'>,
    private readonly register: StoreRegister,
    /** Told that it can't be told for the moment. */
    private readonly onError: (error: unknown) => void,
  ) {}

  /**
   * Lets the store grant at once if it is the first of its database. Never rejects; what could not be asked is asked by
   * the next caller, and callers at the same time share one question.
   * @returns true if it is the first
   */
  isFirst(): Promise<boolean> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #ask(): Promise<boolean> {
    try {
      const generation = await this.store.generation();
      if (generation === this.#replacement) return false;
      const first = await this.register.isFirst(generation);
      if (first) await this.store.nothingLost(generation);
      else this.#replacement = generation;
      return first;
    } catch (error) {
      this.onError(error);
      return false;
    }
  }
}
