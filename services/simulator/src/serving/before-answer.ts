import type { ErrorContext, Reply } from '../dialects/dialect.js';
import type { Behaviour } from '../domain/behaviour.js';
import type { InjectedFault } from '../domain/injected-fault.js';
import type { ServedCall } from './served-call.js';

const page = (status: number): Reply => ({
  status,
  contentType: 'text/html',
  body: `<html>\r\n<head><title>${status}</title></head>\r\n<body>\r\n<center><h1>${status}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`,
  code: null,
});

const replyFor = (call: ServedCall, fault: InjectedFault, context: ErrorContext): Reply | undefined => {
  const { dialect } = call;
  switch (fault.kind) {
    case 'error':
      return dialect.error(fault.code, { ...context, status: fault.status });
    case 'status':
      return dialect.errorOfStatus(fault.status, context);
    case 'html':
      return page(fault.status);
    case 'whitespace':
      return { status: 200, contentType: 'application/json', body: '\n\n\n\n', code: null };
    case 'blank':
      return {
        status: 200,
        contentType: context.stream ? 'text/event-stream' : 'application/json',
        body: '',
        code: null,
      };
    default:
      return undefined;
  }
};

/**
 * Does what a fault asks for in place of an answer: breaks the connection, never answers, or answers something else
 * after the delays. Returns false if the fault, if any, is one of the body.
 */
export const injectBeforeAnswer = (
  call: ServedCall,
  behaviour: Behaviour,
  context: ErrorContext,
): boolean => {
  const { fault } = behaviour;
  if (fault === undefined) return false;
  const { socket } = call.response;
  if (fault.kind === 'hang') return true;
  if (fault.kind === 'reset' || fault.kind === 'close') {
    call.after(behaviour.header_delay_ms ?? 0, () => {
      call.cut();
      if (fault.kind === 'reset') socket?.resetAndDestroy();
      else socket?.destroy();
    });
    return true;
  }
  const reply = replyFor(call, fault, context);
  if (reply === undefined) return false;
  const headers =
    behaviour.retry_after_s === undefined ? {} : { 'retry-after': String(behaviour.retry_after_s) };
  const delayMs = (behaviour.header_delay_ms ?? 0) + (behaviour.first_delay_ms ?? 0);
  if (delayMs === 0) call.reply(reply, headers);
  else call.after(delayMs, () => call.reply(reply, headers));
  return true;
};
