import { describe, expect, it } from '@jest/globals';
import { checkImageUrl } from './image-url.js';

describe('checkImageUrl', () => {
  it.each([
    'https://example.com/photo.jpg',
    'http://example.com:8080/a?b=c#d',
    'https://93.184.216.34/x.png',
    'https://[2606:4700::1111]/x.png',
    'https://пример.рф/a.png',
    'data:image/jpeg;base64,/9j/4AAQSkZJRg==',
    'data:image/png;base64,iVBORw0KGgo=',
  ])('takes %s', (url) => {
    expect(() => checkImageUrl(url, 'p')).not.toThrow();
  });

  it.each([
    undefined,
    5,
    '',
    'photo.jpg',
    'file:///etc/passwd',
    'gopher://example.com/',
    'ftp://example.com/a.png',
    'javascript:alert(1)',
    'https://user:pass@example.com/',
    'https://user@example.com/',
    'http://example.com:22/',
    'http://localhost/',
    'http://localhost./',
    'http://a.localhost/',
    'http://localhost.localdomain/',
    'http://metadata.google.internal/',
    'http://127.0.0.1/',
    'http://127.1/',
    'http://0x7f.1/',
    'http://2130706433/',
    'http://0/',
    'http://10.1.2.3/',
    'http://172.31.0.1/',
    'http://192.168.0.1/',
    'http://100.64.0.1/',
    'http://169.254.169.254/latest/meta-data',
    'http://[::1]/',
    'http://[::]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[fd00::1]/',
    'http://[fe80::1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://１２７.０.０.１/',
    'data:text/html;base64,PGI+',
    'data:image/svg+xml;base64,PHN2Zz4=',
    'data:image/png,raw',
    'data:image/png;base64,',
  ])('refuses %s', (url) => {
    expect(() => checkImageUrl(url, 'messages[0].content[1].image_url.url')).toThrow(
      expect.objectContaining({ code: 'invalid_value', param: 'messages[0].content[1].image_url.url' }),
    );
  });
});
