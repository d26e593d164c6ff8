import { jsonReply, Refusal, type ErrorContext, type Reply } from '../dialect.js';

interface Failure {
  readonly status: number;
  readonly message: string;
  /** The code that is sent, where several failures share one. */
  readonly code?: string;
}

/** Stands for the time at which a window opens again: half an hour after the call, as Beijing's clocks show it. */
const FLUSH_TIME = '{next_flush_time}';
const FLUSHES_IN_S = 1_800;
const BEIJING_S = 8 * 3_600;
const LIMIT_RESETS = `next_flush_time: ${FLUSH_TIME}`;

const flushTime = (nowS: number): string =>
  new Date((nowS + FLUSHES_IN_S + BEIJING_S) * 1_000).toISOString().slice(0, 19).replace('T', ' ');

const FAILURES: Readonly<Record<string, Failure>> = {
  '401': { status: 401, message: '令牌已过期或验证不正确' },
  '434': { status: 403, message: 'no API permission' },
  '435': { status: 413, message: 'file size exceeds the limit' },
  '1000': { status: 401, message: '身份验证失败' },
  '1001': { status: 401, message: 'Header中未收到Authentication参数，无法进行身份验证' },
  '1002': { status: 401, message: 'Authorization Token非法，请确认Authorization Token正确传递。' },
  '1003': { status: 401, message: 'Authentication Token已过期' },
  '1004': { status: 401, message: 'Authentication Token验证失败' },
  '1005': { status: 401, message: '账户需要二次验证' },
  '1113': { status: 429, message: '余额不足或无可用资源包,请充值。' },
  '1200': { status: 500, message: 'API 调用失败' },
  '1210': { status: 400, message: 'API 调用参数有误，请检查文档。' },
  '1211': { status: 400, message: '模型不存在，请检查模型代码。' },
  '1212': { status: 400, message: '当前模型不支持该调用方式' },
  '1213': { status: 400, message: '未正常接收到参数' },
  '1214': { status: 400, message: '参数非法。请检查文档。' },
  '1215': { status: 400, message: '参数互斥，请检查文档。' },
  model_code: { status: 400, message: 'modelCode: does not exist', code: '1214' },
  '1220': { status: 403, message: '您无权访问该模型' },
  '1221': { status: 400, message: 'API 已下线' },
  '1222': { status: 400, message: 'API 不存在' },
  '1230': { status: 500, message: 'API 调用流程出错' },
  '1234': { status: 500, message: '网络错误' },
  '1261': { status: 400, message: 'Prompt 超长' },
  '1301': { status: 400, message: '系统检测到输入或生成内容可能包含不安全或敏感内容' },
  '1302': { status: 429, message: '您的账户已达到速率限制，请您控制请求频率' },
  '1305': { status: 429, message: '该模型当前访问量过大，请您稍后再试' },
  '1308': { status: 429, message: `已达到使用上限，${LIMIT_RESETS}` },
  '1309': { status: 429, message: '套餐已到期' },
  '1310': { status: 429, message: `已达到每周/每月使用上限，${LIMIT_RESETS}` },
  '1311': { status: 429, message: '当前套餐不包含该模型' },
  '1313': { status: 429, message: '账户因公平使用原则受限' },
  '1314': { status: 429, message: '企业套餐已失效' },
  '1315': { status: 429, message: 'API Key 仅限企业编程套餐使用' },
  ...Object.fromEntries(
    ['1316', '1317', '1318', '1319', '1320', '1321'].map((code) => [
      code,
      { status: 429, message: `已达到企业套餐使用上限，${LIMIT_RESETS}` },
    ]),
  ),
};

const CODE_OF_STATUS: Readonly<Record<number, string>> = {
  400: '1210',
  401: '1002',
  403: '1220',
  404: '1222',
  413: '435',
  429: '1302',
};

const envelope = (status: number, code: string, message: string): Reply =>
  jsonReply(status, { error: { code, message } }, code);

/** The answer for one of the business codes, numeric and yet a text. */
export const glmError = (code: string, context: ErrorContext): Reply => {
  const failure: Failure = FAILURES[code] ?? { status: 400, message: `error ${code}` };
  const message = failure.message.replace(FLUSH_TIME, flushTime(context.createdS));
  return envelope(context.status ?? failure.status, failure.code ?? code, message);
};

/** The answer for a status: one of the codes that come with it. */
export const glmErrorOfStatus = (status: number, context: ErrorContext): Reply =>
  glmError(CODE_OF_STATUS[status] ?? (status < 500 ? '1210' : '1230'), { ...context, status });

export const glmKeyRefusal = (key: string | undefined, context: ErrorContext): Reply | undefined => {
  if (key === undefined) return glmError('1001', context);
  return key === 'bad' ? glmError('1002', context) : undefined;
};

/** Refuses a request with a code and a message. */
export const glmRefusal = (code: string, message: string): Refusal =>
  new Refusal(envelope(400, code, message));
