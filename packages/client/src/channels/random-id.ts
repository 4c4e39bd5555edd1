/** Names that nobody else has: of publications and of this client. Used by channels and createClient. */

/** 128 random bits. Not randomUUID(), which pages without HTTPS lack. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
