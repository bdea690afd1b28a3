/** Of TLS; those before are not spoken any more (RFC 8996). */
export const tlsVersions = ['1.2', '1.3'] as const;
export type TlsVersion = (typeof tlsVersions)[number];
