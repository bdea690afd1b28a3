/**
 * A certificate for a lab and for tests: self-signed, so that it is its own authority (`--cacert`, Node's `ca`), with an
 * elliptic key, for the names and addresses that it is asked for. Node can sign, and has no way to make one: what is
 * written here is X.509 version 3 (RFC 5280 section 4.1) in DER (X.690).
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import { addressBytes } from '../../shared/addresses.ts';

/** PEM, both, by the names that Node's options have for them. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const UTF8 = 0x0c;
const UTC_TIME = 0x17;
/** Context-specific, constructed: the version and the extensions of a certificate. */
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
/** Of a GeneralName. */
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;

// Object identifiers, encoded.
const ECDSA_WITH_SHA256 = oid('2a8648ce3d040302');
const COMMON_NAME = oid('550403');
const SUBJECT_KEY_IDENTIFIER = oid('551d0e');
const KEY_USAGE = oid('551d0f');
const SUBJECT_ALT_NAME = oid('551d11');
const BASIC_CONSTRAINTS = oid('551d13');

const TRUE = der(0x01, Buffer.from([0xff]));
/** Of KeyUsage's nine bits digitalSignature and keyCertSign; the last two of the byte are none. */
const SIGNS = Buffer.from([2, 0b1000_0100]);

/** Valid for a month from yesterday on: clocks of a lab's hosts may differ. `names`: DNS names and IP addresses. */
export function makeCertificate(names: readonly string[]): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = publicKey.export({ type: 'spki', format: 'der' });
  const algorithm = der(SEQUENCE, ECDSA_WITH_SHA256);
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8, Buffer.from(names[0]!)))));
  const now = Date.now();
  const signed = der(
    SEQUENCE,
    der(VERSION, der(INTEGER, Buffer.from([2]))),
    // Positive, and not of zeros.
    der(INTEGER, Buffer.from([1, ...randomBytes(15)])),
    algorithm,
    name,
    der(SEQUENCE, time(now - DAY_MS), time(now + 30 * DAY_MS)),
    name,
    key,
    der(
      EXTENSIONS,
      der(
        SEQUENCE,
        extension(SUBJECT_ALT_NAME, der(SEQUENCE, ...names.map(generalName))),
        extension(BASIC_CONSTRAINTS, TRUE, der(SEQUENCE, TRUE)),
        extension(KEY_USAGE, TRUE, der(BIT_STRING, SIGNS)),
        extension(SUBJECT_KEY_IDENTIFIER, der(OCTET_STRING, createHash('sha1').update(key).digest())),
      ),
    ),
  );
  const signature = der(BIT_STRING, Buffer.from([0]), sign('sha256', signed, privateKey));
  return {
    cert: pem('CERTIFICATE', der(SEQUENCE, signed, algorithm, signature)),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  let head = [tag, length];
  if (length > 0xff) head = [tag, 0x82, length >> 8, length & 0xff];
  else if (length > 0x7f) head = [tag, 0x81, length];
  return Buffer.concat([Buffer.from(head), content]);
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

/** `critical` is TRUE or not there; the value is last. */
const extension = (id: Buffer, ...criticalAndValue: readonly Buffer[]): Buffer =>
  der(SEQUENCE, id, ...criticalAndValue.slice(0, -1), der(OCTET_STRING, criticalAndValue.at(-1)!));

const generalName = (name: string): Buffer =>
  isIP(name) ? der(IP_ADDRESS, addressBytes(name)) : der(DNS_NAME, Buffer.from(name, 'latin1'));

/** YYMMDDhhmmssZ. */
const time = (ms: number): Buffer =>
  der(UTC_TIME, Buffer.from(`${new Date(ms).toISOString().replace(/\D/g, '').slice(2, 14)}Z`));

const pem = (label: string, bytes: Buffer): string =>
  `-----BEGIN ${label}-----\n${bytes.toString('base64').replace(/(.{64})(?=.)/g, '$1\n')}\n-----END ${label}-----\n`;
