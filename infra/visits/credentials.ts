/** A user and a password in a URL: sent, as curl does, and shown to nobody. */

/** What the Authorization field says (RFC 7617), or undefined where the URL has neither. */
export function authorizationOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const pair = Buffer.concat([percentDecode(username), Buffer.from(':'), percentDecode(password)]);
  return `Basic ${pair.toString('base64')}`;
}

/** The same URL as it may stand in a report or a message. What is no URL of these loses all before its last @. */
export function withoutCredentials(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^(https?|wss?):$/.test(url.protocol))
    return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, '$1');
  if (url.username === '' && url.password === '') return text;
  url.username = '';
  url.password = '';
  return url.href;
}

/** URL has made everything else ASCII; a % that escapes nothing stands for itself. */
const percentDecode = (text: string): Buffer =>
  Buffer.from(
    text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
