/** The connection's life as a table: state × trigger → next state and effects. Pure; connection.ts drives it and carries out the effects. */

/** What the application sees. */
export type Status = 'idle' | 'connecting' | 'connected' | 'degraded' | 'reconnecting' | 'closed' | 'failed'

export type State =
  /** Nothing was asked for yet. */
  | 'idle'
  /** The first streams are being tried. */
  | 'connecting'
  /** A stream is proven. */
  | 'connected'
  /** A stream is proven, and says that the node does not reach its broker. */
  | 'degraded'
  /** There is no stream; a timer runs until the next try. */
  | 'waiting'
  /** Streams are being tried again. */
  | 'retrying'
  /** The page is in the back/forward cache. */
  | 'suspended'
  /** The server refused for good; `connect()` tries again. */
  | 'failed'
  /** The application closed the client. */
  | 'closed'

export type Trigger =
  /** The application subscribes or publishes. */
  | 'need'
  /** The application asks to connect now. */
  | 'connect'
  /** A stream is proven and is now the one that the application hears. */
  | 'proven'
  /** The proven stream ended, and nothing takes its place. */
  | 'lost'
  /** The proven stream ended while another one was being opened, which takes its place unproven. */
  | 'orphaned'
  /** Nothing that was tried worked. */
  | 'exhausted'
  /** The wait is over. */
  | 'due'
  /** The network or the page came back, or the application asks for a new link. */
  | 'wake'
  /** The page goes into the back/forward cache. */
  | 'suspend'
  | 'degraded'
  | 'restored'
  /** The server said no in a way that another try does not change. */
  | 'refused'
  | 'close'

export type Effect =
  /** Begin to try streams. */
  | 'open'
  /** End all streams. */
  | 'drop'
  /** Set the timer of the next try. */
  | 'wait'
  /** Send the commands that wait. */
  | 'flush'
  /** Look whether the stream still lives. */
  | 'check'
  /** Reject the commands that wait. */
  | 'reject'

export interface Step {
  readonly next: State
  readonly effects: readonly Effect[]
}

/** A trigger that is absent from a state's row can't come there or means nothing: the state stays and nothing is done. */
type Row = { readonly [T in Trigger]?: Step }

const to = (next: State, ...effects: Effect[]): Step => ({ next, effects })

const first = to('connecting', 'open')
const refused = to('failed', 'drop', 'reject')
const close = to('closed', 'drop', 'reject')
const suspend = to('suspended', 'drop')
const retry = to('retrying', 'open')
const wait = to('waiting', 'wait')
const proven = to('connected', 'flush')

const live = { proven, refused, close, suspend, lost: wait, orphaned: to('retrying') } as const

export const table: { readonly [S in State]: Row } = {
  idle: { need: first, connect: first, close },
  connecting: { proven, refused, close, suspend, exhausted: wait },
  connected: { ...live, wake: to('connected', 'check'), degraded: to('degraded') },
  degraded: { ...live, wake: to('degraded', 'check'), restored: to('connected', 'flush') },
  waiting: { connect: retry, due: retry, wake: retry, refused, close, suspend },
  retrying: { proven, refused, close, suspend, exhausted: wait },
  suspended: { wake: retry, close },
  failed: { connect: first, close },
  closed: {},
}

/** What a trigger does in a state; null: nothing. */
export function step(state: State, trigger: Trigger): Step | null {
  return table[state][trigger] ?? null
}

export const statusOf: { readonly [S in State]: Status } = {
  idle: 'idle',
  connecting: 'connecting',
  connected: 'connected',
  degraded: 'degraded',
  waiting: 'reconnecting',
  retrying: 'reconnecting',
  suspended: 'reconnecting',
  failed: 'failed',
  closed: 'closed',
}
