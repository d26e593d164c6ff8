// services/connector/CAPABILITIES.md, rendered from the capability table and the shipped catalog. Without arguments it is
// compared with what it should be; `--write` writes it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import prettier from 'prettier';
import { parse } from 'yaml';
import { capabilitiesOf, PARAMETERS } from '@tunan/llm';

const root = fileURLToPath(new URL('../..', import.meta.url));
const file = join(root, 'services/connector/CAPABILITIES.md');
const { models, channels } = parse(readFileSync(join(root, 'deploy/catalog.yaml'), 'utf8'));

/** A cell: the class, and what a provider takes of a parameter that it bounds. */
const cell = (treatment) => {
  if (treatment.class === 'emulated' && treatment.nativeMax !== undefined)
    return `emulated (${treatment.nativeMax} native)`;
  if (treatment.class !== 'advisory') return treatment.class;
  if (treatment.values !== undefined)
    return `advisory: ${Object.entries(treatment.values)
      .map(([given, sent]) => `${given} → ${sent}`)
      .join(', ')}`;
  if (treatment.bounds === undefined) return 'advisory: ignored';
  const { min, max, decimals, outside } = treatment.bounds;
  const places = decimals === undefined ? '' : `, ${decimals} places`;
  return `advisory: ${min} to ${max}${places}${outside === 'ignored' ? ', else ignored' : ''}`;
};

/** Channels with the same column share it. */
const columns = [];
for (const channel of [...channels].sort((a, b) => (b.priority ?? 0) - (a.priority ?? 0))) {
  const model = models.find(({ id }) => id === channel.model);
  if (model.kind !== 'chat') continue;
  const { provider, upstreamModel, thinking = null } = channel;
  const capabilities = capabilitiesOf({ provider, upstreamModel, thinking });
  const backup = channels.some(
    (other) => other.model === channel.model && (other.priority ?? 0) > (channel.priority ?? 0),
  );
  const known = columns.find((column) => column.capabilities === capabilities);
  const column = known ?? { capabilities, models: [] };
  if (known === undefined) columns.push(column);
  column.models.push(backup ? `${channel.model} (backup)` : channel.model);
}

const row = (cells) => `| ${cells.join(' | ')} |`;
const table = [
  row(['parameter', ...columns.map(({ models: names }) => names.map((name) => `\`${name}\``).join('<br>'))]),
  row(['---', ...columns.map(() => '---')]),
  ...PARAMETERS.map((name) =>
    row([`\`${name}\``, ...columns.map(({ capabilities }) => cell(capabilities[name]))]),
  ),
];

const text = `# What each model does with each parameter

Rendered from the table by which requests are refused, routed and encoded: \`libs/llm/src/capabilities\`. Do not edit; write it
with \`node test/check/capabilities.mjs --write\`.

*Honoured*: sent, and the provider does it. *Emulated*: the gateway does it. *Advisory*: a hint; where a value is not sent as it
was given, the answer's \`x-tunan-adapted\` says so, and with \`x-tunan-strict-params: true\` the request is refused instead.
*Refused*: 400 \`unsupported_parameter\`. The documented default of a parameter is accepted in every class; members that are not
listed are ignored. Thinking belongs to the model id: \`thinking\`, \`enable_thinking\`, \`thinking_budget\` and \`reasoning_effort\` that ask for
the other mode are refused with the name of the model to use.

${table.join('\n')}

JSON modes, schemas and forced functions are judged, honoured or emulated: one answer that is not in the form asked for is asked
for again at our cost, a second is 502 \`structured_output_failed\` and not charged. A stream of such an answer begins when it is
whole. Not judged are functions that the model may call or not, what it calls them with, and what a stop sequence may have ended.

Embeddings: \`dimensions\` that the model has are honoured, others are refused; \`encoding_format: base64\`, token ids and more inputs
than a provider takes at once are emulated.
`;

const options = await prettier.resolveConfig(file);
const expected = await prettier.format(text, { ...options, filepath: file });
if (process.argv.includes('--write')) writeFileSync(file, expected);
else if (readFileSync(file, 'utf8') !== expected) {
  console.error(
    'services/connector/CAPABILITIES.md is out of date: node test/check/capabilities.mjs --write',
  );
  process.exitCode = 1;
}
