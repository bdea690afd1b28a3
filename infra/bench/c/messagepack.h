/* As much of MessagePack as a delivery needs: small maps, arrays, short text and unsigned integers below 2^32. */
#ifndef MESSAGEPACK_H
#define MESSAGEPACK_H

#include <stddef.h>
#include <string.h>

/* Whoever packs keeps within this: names and addresses are below 256 bytes each. */
struct packer {
  unsigned char bytes[1024];
  size_t length;
};

static inline void pack_byte(struct packer *to, unsigned byte) { to->bytes[to->length++] = (unsigned char)byte; }

/* fixmap and fixarray: at most 15 entries */
static inline void pack_map(struct packer *to, unsigned entries) { pack_byte(to, 0x80 | entries); }
static inline void pack_array(struct packer *to, unsigned entries) { pack_byte(to, 0x90 | entries); }

/* fixint or uint 32 */
static inline void pack_number(struct packer *to, unsigned number) {
  if (number < 0x80) return pack_byte(to, number);
  pack_byte(to, 0xce);
  for (int shift = 24; shift >= 0; shift -= 8) pack_byte(to, number >> shift & 0xff);
}

/* fixstr or str 8: at most 255 bytes */
static inline void pack_text(struct packer *to, const char *text) {
  size_t length = strnlen(text, 255);
  if (length >= 32) pack_byte(to, 0xd9);
  pack_byte(to, length < 32 ? 0xa0 | (unsigned)length : (unsigned)length);
  memcpy(to->bytes + to->length, text, length);
  to->length += length;
}

struct unpacker {
  const unsigned char *at, *end;
};

/* -1 for anything that is not what was asked for */
static inline int unpack_array(struct unpacker *from) {
  return from->at < from->end && *from->at >> 4 == 9 ? *from->at++ & 15 : -1;
}

static inline long unpack_number(struct unpacker *from) {
  if (from->at >= from->end) return -1;
  unsigned head = *from->at++;
  if (head < 0x80) return head;
  int width = head == 0xcc ? 1 : head == 0xcd ? 2 : head == 0xce ? 4 : 0;
  if (width == 0 || from->end - from->at < width) return -1;
  long number = 0;
  while (width--) number = number << 8 | *from->at++;
  return number;
}

/* Whether a map has the short text `type` under "type"; no other key or value of the protocol holds these bytes. */
static inline int is_type(const unsigned char *map, size_t length, const char *type) {
  struct packer entry = {0};
  pack_text(&entry, "type");
  pack_text(&entry, type);
  return memmem(map, length, entry.bytes, entry.length) != NULL;
}

#endif
