import type { CatalogChannel, ChatRequest, Exchange } from '@tunan/contracts';
import { capabilitiesOf, judgeChat } from '@tunan/llm';

/**
 * The channels that can honour what a request means: none of its parameters is refused there, and where the client is
 * strict none is changed. If that leaves none, all: the connector's own refusal names the parameter.
 */
export const ableChannels = (
  channels: readonly CatalogChannel[],
  { operation, body, strictParameters }: Exchange,
): readonly CatalogChannel[] => {
  if (operation !== 'chat' || channels.length < 2) return channels;
  const able = channels.filter((channel) => {
    const { refused, firstAdapted } = judgeChat(capabilitiesOf(channel), body as ChatRequest);
    return refused === undefined && !(strictParameters && firstAdapted !== undefined);
  });
  return able.length === 0 ? channels : able;
};
