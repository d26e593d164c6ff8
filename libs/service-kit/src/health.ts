/** What is known about one thing that a service depends on. */
export interface DependencyState {
  readonly name: string;
  readonly up: boolean;
  /** What is wrong or known, for people. */
  readonly detail: string;
  /** True once it has been up: readiness no longer waits for it. */
  readonly seen: boolean;
}

/** Reports the state of one dependency. */
export interface Dependency {
  up(detail?: string): void;
  down(detail: string): void;
}

/**
 * Readiness of the process. It is about the process itself: a dependency holds readiness back only until it has
 * been up once, because a blip of a shared dependency must not remove every replica at the same time.
 */
export class Health {
  readonly #states = new Map<string, { up: boolean; detail: string; seen: boolean }>();
  #draining = false;

  /** Declares something that the process needs before it can serve. */
  dependency(name: string): Dependency {
    const state = this.#states.get(name) ?? { up: false, detail: 'not reached yet', seen: false };
    this.#states.set(name, state);
    return {
      up: (detail = '') => Object.assign(state, { up: true, detail, seen: true }),
      down: (detail) => Object.assign(state, { up: false, detail }),
    };
  }

  /** Readiness goes off for good: the process is about to stop. */
  startDraining(): void {
    this.#draining = true;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Every dependency, by name. */
  get dependencies(): readonly DependencyState[] {
    return [...this.#states]
      .map(([name, state]) => ({ name, ...state }))
      .sort((a, b) => a.name.localeCompare(b.name));
  }

  /** Dependencies that have never been up. */
  get lacking(): readonly DependencyState[] {
    return this.dependencies.filter((dependency) => !dependency.seen);
  }

  get ready(): boolean {
    return !this.#draining && this.lacking.length === 0;
  }
}
