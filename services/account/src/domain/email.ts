import { domainToASCII } from 'node:url';

const CHARS_MAX = 254;
const LOCAL_CHARS_MAX = 64;
/** The unquoted form of RFC 5321: atoms joined by single dots. */
const LOCAL = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const DOMAIN = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/;

/**
 * The one form in which an e-mail address is kept and compared: trimmed, lower case, an international domain in its
 * ASCII form. Two spellings of one mailbox must not make two accounts. Null if it is no address that mail can be sent
 * to: a domain needs a dot, quoted local parts and address literals are refused.
 */
export const normalizeEmail = (text: string): string | null => {
  const trimmed = text.trim().toLowerCase();
  const at = trimmed.lastIndexOf('@');
  if (at < 1 || trimmed.length > CHARS_MAX) return null;
  const local = trimmed.slice(0, at);
  const domain = domainToASCII(trimmed.slice(at + 1));
  if (local.length > LOCAL_CHARS_MAX || !LOCAL.test(local) || !DOMAIN.test(domain)) return null;
  const address = `${local}@${domain}`;
  return address.length > CHARS_MAX ? null : address;
};
