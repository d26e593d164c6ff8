import { describe, expect, it } from '@jest/globals';
import { readToolCalls, ToolCalls } from './tool-calls.js';

const options = { callsMax: 128, newId: (index: number) => `made_${index}` };
const read = (...deltas: readonly unknown[]) => {
  const calls = new ToolCalls(options);
  return deltas.flatMap((delta) => calls.read(delta));
};
const part = (members: {
  index?: number;
  id?: string | null;
  name?: string | null;
  args?: string | null;
}) => [
  {
    index: members.index,
    id: members.id,
    type: 'function',
    function: { name: members.name, arguments: members.args },
  },
];

describe('ToolCalls', () => {
  it('passes calls on whose pieces interleave', () => {
    expect(
      read(
        part({ index: 0, id: 'a', name: 'f', args: '' }),
        part({ index: 1, id: 'b', name: 'g', args: '{' }),
        part({ index: 0, args: '{"x"' }),
        part({ index: 1, args: '}' }),
        part({ index: 0, args: ':1}' }),
      ),
    ).toEqual([
      { index: 0, id: 'a', name: 'f', arguments: '' },
      { index: 1, id: 'b', name: 'g', arguments: '{' },
      { index: 0, arguments: '{"x"' },
      { index: 1, arguments: '}' },
      { index: 0, arguments: ':1}' },
    ]);
  });

  it('drops empty ids and names of later pieces', () => {
    expect(
      read(
        part({ index: 0, id: 'a', name: 'f', args: '' }),
        part({ index: 0, id: '', name: '', args: '{}' }),
      ),
    ).toEqual([
      { index: 0, id: 'a', name: 'f', arguments: '' },
      { index: 0, arguments: '{}' },
    ]);
  });

  it('drops a name that is repeated', () => {
    expect(
      read(part({ index: 0, id: 'a', name: 'f' }), part({ index: 0, id: 'a', name: 'f', args: '{}' })),
    ).toEqual([
      { index: 0, id: 'a', name: 'f', arguments: '' },
      { index: 0, arguments: '{}' },
    ]);
  });

  it.each([
    ['repeat an index', 0, 0],
    ['are −1', -1, -1],
    ['have gaps', 3, 7],
  ])('numbers calls anew whose indexes %s', (_name, first, second) => {
    expect(
      read(
        part({ index: first, id: 'a', name: 'f', args: '{}' }),
        part({ index: second, id: 'b', name: 'g', args: '{' }),
        part({ index: second, args: '}' }),
      ),
    ).toEqual([
      { index: 0, id: 'a', name: 'f', arguments: '{}' },
      { index: 1, id: 'b', name: 'g', arguments: '{' },
      { index: 1, arguments: '}' },
    ]);
  });

  it('makes ids for calls that have none', () => {
    expect(
      read(part({ index: 0, name: 'f', args: '{}' }), part({ index: 1, name: 'g', args: '{}' })),
    ).toEqual([
      { index: 0, id: 'made_0', name: 'f', arguments: '{}' },
      { index: 1, id: 'made_1', name: 'g', arguments: '{}' },
    ]);
  });

  it('waits for the name before it shows a call', () => {
    expect(
      read(part({ index: 0, id: 'a', args: '{"x"' }), part({ index: 0, name: 'f', args: ':1}' })),
    ).toEqual([{ index: 0, id: 'a', name: 'f', arguments: '{"x":1}' }]);
  });

  it('writes arguments that are an object as JSON', () => {
    expect(read([{ id: 'a', function: { name: 'f', arguments: { x: 1 } } }])).toEqual([
      { index: 0, id: 'a', name: 'f', arguments: '{"x":1}' },
    ]);
  });

  it.each([[null], ['x'], [[null]], [[{}]], [[{ function: null }]], [[{ function: { arguments: 'x' } }]]])(
    'takes nothing from %j',
    (raw) => expect(read(raw)).toEqual([]),
  );

  it('drops calls beyond the limit', () => {
    const calls = new ToolCalls({ ...options, callsMax: 1 });
    expect(calls.read(part({ index: 0, id: 'a', name: 'f', args: '{}' }))).toHaveLength(1);
    expect(calls.read(part({ index: 1, id: 'b', name: 'g', args: '{}' }))).toEqual([]);
    expect(calls.count).toBe(1);
  });

  it('gives a function its client’s name back', () => {
    const calls = new ToolCalls({ ...options, shownName: (name) => (name === 'f_' ? 'f' : name) });
    expect(calls.read(part({ index: 0, id: 'a', name: 'f_', args: '{' }))).toMatchObject([{ name: 'f' }]);
    expect(calls.read(part({ index: 0, name: 'f_', args: '}' }))).toEqual([{ index: 0, arguments: '}' }]);
  });
});

describe('readToolCalls', () => {
  it('reads the calls of a whole message', () => {
    const raw = [...part({ id: 'a', name: 'f', args: '{}' }), ...part({ index: 1, name: 'g', args: '{}' })];
    expect(readToolCalls(raw, options)).toEqual([
      { id: 'a', name: 'f', arguments: '{}' },
      { id: 'made_1', name: 'g', arguments: '{}' },
    ]);
    expect(readToolCalls(undefined, options)).toEqual([]);
  });
});
