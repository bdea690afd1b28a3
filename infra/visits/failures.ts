/** What becomes of visits that do not succeed, by name, and what a person may make of it. */
import { ownErrors } from './own-limits.ts';

const ofTheKernel: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ETIMEDOUT: 'connect_timeout',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  // Its send buffer is full of what it was sent.
  EAGAIN: 'not_read',
  ...ownErrors,
  ENOTFOUND: 'name_unknown',
  EAI_AGAIN: 'name_unknown',
};

/** A failure that is not in the list keeps the kernel's own name, so that nothing hides behind "other". */
export const failureOf = (code: string): string => ofTheKernel[code] ?? code.toLowerCase();

/** OpenSSL's names of what is wrong with a certificate. */
const ofCertificates: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'tls_expired',
  CERT_NOT_YET_VALID: 'tls_expired',
  CERT_SIGNATURE_FAILURE: 'tls_unknown_ca',
  CERT_UNTRUSTED: 'tls_unknown_ca',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls_unknown_ca',
  ERR_TLS_CERT_ALTNAME_INVALID: 'tls_name_mismatch',
  INVALID_CA: 'tls_unknown_ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls_unknown_ca',
  UNABLE_TO_GET_ISSUER_CERT: 'tls_unknown_ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'tls_unknown_ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls_unknown_ca',
};

/** OpenSSL's names of alerts: tlsv1 alert internal error, ssl/tls alert handshake failure, tlsv1 unrecognized name. */
const alert = /^ERR_SSL_(?:SSL\/TLS|SSLV3|TLSV1|TLSV13)_(?:ALERT_)?(\w+)$/;

/** What is wrong with a handshake, or with what came after it; `beginning`: the first bytes that came, if any. */
export function tlsFailureOf(code: string, beginning: Buffer): string {
  const ofCertificate = ofCertificates[code];
  if (ofCertificate !== undefined) return ofCertificate;
  if (beginning.length > 0 && !looksLikeTls(beginning))
    return 'HTTP/'.startsWith(beginning.toString('latin1')) ? 'tls_not_spoken_but_http' : 'tls_not_spoken';
  const named = alert.exec(code)?.[1];
  if (named !== undefined) return `tls_alert_${named.toLowerCase()}`;
  return `tls_${code.replace(/^ERR_(SSL_|TLS_)?/, '').toLowerCase()}`;
}

/** A record of a handshake or of an alert, of any version (RFC 8446 section 5.1). */
const looksLikeTls = (beginning: Buffer): boolean =>
  (beginning[0] === 0x16 || beginning[0] === 0x15) && (beginning.length < 2 || beginning[1] === 3);

const explanations: Readonly<Record<string, string>> = {
  no_http2: 'the server chose another protocol than HTTP/2; leave out --http2',
  tls_alert_no_application_protocol:
    'the server speaks none of the protocols that it was offered; HTTP/2 is offered with --http2 only',
  no_echo: 'the server sent other messages than those that it was sent; is this an echo?',
  not_upgraded: 'the server answered the request for a WebSocket with something else than 101',
  tls_closed: 'the server closed the connection within the handshake',
  tls_expired: "the server's certificate is not valid today; --insecure visits it all the same",
  tls_name_mismatch:
    "the server's certificate is for another name than the URL's; --insecure visits it all the same",
  tls_not_spoken: 'what the server answered is not TLS; is this the right port?',
  tls_not_spoken_but_http: 'the server answered in plain HTTP; visit it with http:// or ws://',
  tls_timeout: 'the handshake was not over by the time limit, --timeout',
  tls_unknown_ca:
    'nobody whom this program trusts has signed the certificate; name who has with --ca FILE, or do not look with --insecure',
  tls_alert_unrecognized_name: 'the server has nothing by the name in the URL',
  tls_alert_protocol_version: 'the server refuses this version of TLS; choose another with --tls',
  tls_alert_certificate_required: 'the server wants a certificate of its client, and this one has none',
};

/** One line, for those failures that need one. */
export function explain(failure: string): string | undefined {
  const [, alert, other] = /^tls_(?:alert_(.*)|(.*))$/.exec(failure) ?? [];
  const known = explanations[failure];
  if (known !== undefined) return known;
  if (alert !== undefined)
    return `the server refused the handshake and said why: ${alert.replaceAll('_', ' ')}`;
  return other && `what the server sent is not right in TLS: ${other.replaceAll('_', ' ')}`;
}
