/** Sizes, counts and times that both ends must agree on. Bytes are bytes of UTF-8; times are milliseconds. */
export const limits = {
  /** Longest channel name. */
  channelLength: 255,
  /** Longest `messageId`. */
  messageIdLength: 64,
  /** Longest cursor. */
  cursorLength: 4096,
  /** Deepest nesting of arrays and objects in any JSON that a client sends. */
  depth: 32,
  /** Bytes of one command frame or request body. */
  frameBytes: 64 * 1024,
  /** Commands in one frame or request. */
  commands: 128,
  /** Channels of one connection. */
  channels: 128,
  /** Bytes of a member's state as JSON. */
  presenceBytes: 4096,
  /** Clients (tabs, devices) of one member in one channel. */
  clients: 64,
  /** Most publications that `last` or `history` may ask for. */
  history: 1000,
} as const

/** Times of the protocol, with the reasons in docs/architecture.md. */
export const times = {
  /** The server's heartbeat. */
  heartbeat: 20_000,
  /** The fastest heartbeat that a client may ask for, and the slowest. */
  quickHeartbeat: 5_000,
  slowHeartbeat: 60_000,
  /** Longest hold of a long poll. */
  pollHold: 25_000,
  /** Shortest pause between two short polls. */
  pollFloor: 5_000,
  /** How long a member counts as present without a sign of life. */
  presence: 60_000,
  /** How long a `messageId` is remembered. */
  dedupe: 300_000,
} as const
