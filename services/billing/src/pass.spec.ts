import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Pass, type Inspected } from './pass.js';

/** Things with numbers as ids, some of which can't be looked at. */
class Things implements Inspected {
  away = false;
  readonly seen: string[] = [];
  readonly givenUp: string[] = [];
  readonly sizes: number[] = [];

  constructor(
    private readonly ids: readonly string[],
    readonly broken: Set<string>,
  ) {}

  inspect(afterId: string, limit: number): Promise<string | null> {
    this.sizes.push(limit);
    const page = this.ids.filter((id) => id > afterId).slice(0, limit);
    if (this.away || page.some((id) => this.broken.has(id))) return Promise.reject(new Error('broken'));
    this.seen.push(...page);
    return Promise.resolve(page.length < limit ? null : page.at(-1)!);
  }

  idAfter(afterId: string): Promise<string | null> {
    if (this.away) return Promise.reject(new Error('away'));
    return Promise.resolve(this.ids.find((id) => id > afterId) ?? null);
  }

  giveUp(id: string): void {
    this.givenUp.push(id);
  }
}

const idsOf = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => String(index).padStart(3, '0'));

const runPass = async (pass: Pass): Promise<number> => {
  for (let steps = 1; ; steps += 1) if (await pass.step()) return steps;
};

describe('Pass', () => {
  // Guarantee: whatever fails, everything else is looked at once, and what fails is named: nothing is passed over.
  it('looks at everything once, except for what fails, which it names', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 60 }),
        fc.integer({ min: 1, max: 20 }),
        fc.uniqueArray(fc.nat({ max: 59 })),
        async (count, pageSize, broken) => {
          const ids = idsOf(count);
          const things = new Things(ids, new Set(ids.filter((_, index) => broken.includes(index))));
          const pass = new Pass(things, pageSize);
          for (let passes = 0; passes < 2; passes += 1) {
            await runPass(pass);
            expect(things.seen.splice(0)).toEqual(ids.filter((id) => !things.broken.has(id)));
            expect(things.givenUp.splice(0)).toEqual([...things.broken]);
          }
        },
      ),
    );
  });

  it('finds what fails by halving, and reads whole pages again behind it', async () => {
    const things = new Things(idsOf(40), new Set(['005']));
    await runPass(new Pass(things, 16));
    expect(things.sizes).toEqual([16, 8, 4, 2, 1, 1, 16, 16, 16]);
  });

  it('gives nothing up while nothing can be read, and goes on where it was', async () => {
    const things = new Things(idsOf(10), new Set());
    const pass = new Pass(things, 4);
    expect(await pass.step()).toBe(false);
    things.away = true;
    for (let tries = 0; tries < 5; tries += 1) await expect(pass.step()).rejects.toThrow('away');
    things.away = false;
    await runPass(pass);
    expect(things.seen).toEqual(idsOf(10));
    expect(things.givenUp).toEqual([]);
  });
});
