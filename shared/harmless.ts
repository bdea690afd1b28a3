/** Others' words for a terminal or a log: as they are, they could move the cursor, end the line or turn the text around. */
export const harmless = (text: string): string =>
  text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (one) => `\\u${one.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  );
