/** The app's declared channels, compiled: resolves a channel's name to its pattern, parameters and definition; asked before anything else is done with a name. */
import { isChannelName, limits, RealtimeError } from '@rt/protocol'
import type { ChannelOptions } from '../channel'
import { milliseconds } from '../duration'
import type { ChannelRules } from '../ports/hub'

/** One name, resolved. */
export interface ResolvedChannel {
  readonly name: string
  readonly pattern: string
  readonly params: Readonly<Record<string, string>>
  readonly definition: ChannelOptions
  /** What the stream core needs to know. */
  readonly rules: ChannelRules
}

export interface Contract {
  /** Throws `unknown_channel` for a name that no pattern matches; undeclared channels do not exist. */
  resolve(name: string): ResolvedChannel
}

/** The schema of what members say. Throws `unsupported` for a channel without presence. */
export function presenceOf({ pattern, definition }: ResolvedChannel): NonNullable<ChannelOptions['presence']> {
  if (definition.presence !== undefined) return definition.presence
  throw new RealtimeError('unsupported', `${pattern} has no presence.`, {
    hint: 'Declare `presence: schema` for this channel in createRealtime().',
  })
}

/** A part of a pattern: a literal, or the parameter of this name. */
type Part = { readonly literal: string } | { readonly param: string }

interface Compiled {
  readonly pattern: string
  readonly parts: readonly Part[]
  readonly definition: ChannelOptions
  readonly rules: ChannelRules
}

/** Throws a TypeError for patterns and definitions that are not possible, and for two patterns of which neither is more specific. */
export function compileContract(channels: Readonly<Record<string, ChannelOptions>>): Contract {
  const literal = new Map<string, ResolvedChannel>()
  const byLength = new Map<number, Compiled[]>()
  for (const [pattern, definition] of Object.entries(channels)) {
    const parts = parsePattern(pattern)
    const rules = readRules(pattern, definition)
    if (parts.every((part) => 'literal' in part)) {
      literal.set(pattern, { name: pattern, pattern, params: {}, definition, rules })
      continue
    }
    const same = byLength.get(parts.length) ?? []
    for (const other of same) demandOrder(other, { pattern, parts })
    same.push({ pattern, parts, definition, rules })
    byLength.set(parts.length, same)
  }
  for (const patterns of byLength.values()) patterns.sort((a, b) => specificity(a.parts, b.parts))

  return {
    resolve(name) {
      const exact = literal.get(name)
      if (exact !== undefined) return exact
      if (isChannelName(name)) {
        const words = name.split(':')
        for (const { pattern, parts, definition, rules } of byLength.get(words.length) ?? []) {
          const params = match(parts, words)
          if (params !== null) return { name, pattern, params, definition, rules }
        }
      }
      throw new RealtimeError(
        'unknown_channel',
        `No channel ${JSON.stringify(String(name).slice(0, limits.channelLength))} is declared.`,
      )
    },
  }
}

function match(parts: readonly Part[], words: readonly string[]): Record<string, string> | null {
  const params: Record<string, string> = {}
  for (const [i, part] of parts.entries()) {
    const word = words[i] as string
    if ('param' in part) {
      if (word === '') return null
      params[part.param] = word
    } else if (word !== part.literal) return null
  }
  return params
}

function parsePattern(pattern: string): Part[] {
  const names = new Set<string>()
  const parts = pattern.split(':').map((part): Part => {
    const name = /^\{([A-Za-z]\w*)\}$/.exec(part)?.[1]
    if (name !== undefined) {
      if (names.has(name)) throw new TypeError(`channels: '${pattern}' has the parameter {${name}} twice.`)
      names.add(name)
      return { param: name }
    }
    if (/[{}]/.test(part)) {
      throw new TypeError(
        `channels: '${pattern}': a parameter is a whole part between ':', like 'chat:{room}', not '${part}'.`,
      )
    }
    return { literal: part }
  })
  if (pattern.startsWith(':')) throw new TypeError(`channels: '${pattern}': names that begin with ':' are rt's own.`)
  if (!isChannelName(pattern.replace(/[{}]/g, ''))) {
    throw new TypeError(
      `channels: '${pattern}' can match no channel name: 1 to ${limits.channelLength} of A–Z a–z 0–9 _ . : / @ + = ~ % ! -`,
    )
  }
  return parts
}

/** Negative when `a` is to be tried before `b`. */
function specificity(a: readonly Part[], b: readonly Part[]): number {
  for (const [i, part] of a.entries()) {
    const difference = Number('param' in part) - Number('param' in (b[i] as Part))
    if (difference !== 0) return difference
  }
  return 0
}

/**
 * Patterns of one length that share names must differ so that one is the special case of the other: then it is plain to readers, and to
 * TypeScript on the client, which of them a name belongs to.
 */
function demandOrder(a: Pick<Compiled, 'pattern' | 'parts'>, b: Pick<Compiled, 'pattern' | 'parts'>): void {
  let aSpecial = false
  let bSpecial = false
  for (const [i, part] of a.parts.entries()) {
    const other = b.parts[i] as Part
    if ('literal' in part && 'literal' in other) {
      if (part.literal !== other.literal) return
    } else if ('literal' in part) aSpecial = true
    else if ('literal' in other) bSpecial = true
  }
  if (aSpecial !== bSpecial) return
  throw new TypeError(
    `channels: '${a.pattern}' and '${b.pattern}' match the same names and neither is more specific; change one of them.`,
  )
}

const DEFAULT_SIZE = 100
const DEFAULT_TTL = '5m'
const MOST_SIZE = 100_000
const MOST_TTL = 30 * 86_400_000

function readRules(pattern: string, definition: ChannelOptions): ChannelRules {
  const at = `channels['${pattern}']`
  const { message, delivery = 'all', history, presence, state } = definition
  if (typeof message?.['~standard']?.validate !== 'function') {
    throw new TypeError(`${at}.message is no Standard Schema. Give a schema of zod, valibot, arktype or the like.`)
  }
  if (delivery !== 'all' && delivery !== 'latest' && delivery !== 'live') {
    throw new TypeError(`${at}.delivery must be 'all', 'latest' or 'live', not ${JSON.stringify(delivery)}.`)
  }
  if (presence !== undefined && typeof presence['~standard']?.validate !== 'function') {
    throw new TypeError(`${at}.presence is no Standard Schema. Give a schema of zod, valibot, arktype or the like.`)
  }
  if (state !== undefined && typeof state !== 'function') throw new TypeError(`${at}.state must be a function.`)
  if (state !== undefined && delivery === 'live') {
    throw new TypeError(`${at}: 'live' channels have no place in the log that a state could belong to.`)
  }
  for (const name of ['subscribe', 'publish'] as const) {
    const rule: unknown = definition[name]
    if (rule !== undefined && rule !== 'public' && typeof rule !== 'function') {
      throw new TypeError(`${at}.${name} must be 'public' or a function, not ${JSON.stringify(rule)}.`)
    }
  }
  if (delivery === 'live' && history !== undefined) throw new TypeError(`${at}: 'live' channels keep no history.`)
  const size = history?.size ?? DEFAULT_SIZE
  if (!Number.isInteger(size) || size < 1 || size > MOST_SIZE) {
    throw new TypeError(
      `${at}.history.size must be a whole number from 1 to ${MOST_SIZE}, not ${JSON.stringify(size)}.`,
    )
  }
  return {
    delivery,
    history: { size, ttl: milliseconds(`${at}.history.ttl`, history?.ttl ?? DEFAULT_TTL, 1000, MOST_TTL) },
  }
}
