/** An app's declared channels as types: made by the server from `channels`, read by the client of `createClient<typeof rt>`. No code. */

/** What a channel pattern promises, in types alone. */
export interface ChannelContract {
  /** What a publisher hands in: the schema's input. */
  readonly input: unknown
  /** What subscribers get: the schema's output as JSON carries it. */
  readonly output: unknown
  /** `live` channels keep nothing: no history, no ids. */
  readonly live: boolean
  /** Whether clients may ever publish: the channel has a `publish` rule. */
  readonly publishable: boolean
  /** What a member says when it enters: the presence schema's input; never: the channel has no presence. */
  readonly presenceInput?: unknown
  /** What others see of it: the schema's output as JSON carries it. */
  readonly presence?: unknown
  /** What `state` computes, as JSON carries it; never: the channel has none. */
  readonly state?: unknown
}

/** All declared channels, by pattern. */
export interface Contract {
  readonly [pattern: string]: ChannelContract
}

/** Carried by the server's `Realtime`. The property does not exist at run time. */
export interface Declares<C extends Contract = Contract> {
  readonly '~rt'?: C
}

/** The contract of `typeof rt`. */
export type ContractOf<R extends Declares> = NonNullable<R['~rt']>

/** The names that a pattern accepts: `'chat:{room}'` → `` `chat:${string}` ``. */
export type NamesOf<Pattern extends string> = Pattern extends `${infer Head}{${string}}${infer Tail}`
  ? `${Head}${string}${NamesOf<Tail>}`
  : Pattern

/** All names that a contract accepts. */
export type ChannelNames<C extends Contract> = { [P in keyof C & string]: NamesOf<P> }[keyof C & string]

type Matches<C extends Contract, Name extends string> = {
  [P in keyof C & string]: Name extends NamesOf<P> ? P : never
}[keyof C & string]

// A pattern loses to another match whose names are all among its own: `chat:{room}` to `chat:lobby`.
type MostSpecific<P extends string, All extends string> = P extends unknown
  ? true extends (All extends P ? never : NamesOf<All> extends NamesOf<P> ? true : never)
    ? never
    : P
  : never

/** The pattern that a name belongs to: the most specific one, as the server resolves it. */
export type PatternOf<C extends Contract, Name extends string> = Name extends unknown
  ? MostSpecific<Matches<C, Name>, Matches<C, Name>>
  : never

/** A value as it arrives after JSON: a `Date` is a string, what has `toJSON` is what that returns. */
export type AsJson<T> = T extends Uint8Array
  ? Uint8Array
  : T extends { toJSON(): infer J }
    ? AsJson<J>
    : T extends string | number | boolean | null | undefined
      ? T
      : T extends bigint | symbol | ((...args: never[]) => unknown)
        ? never
        : T extends object
          ? { [K in keyof T]: AsJson<T[K]> }
          : T
