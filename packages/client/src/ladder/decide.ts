/** Which rungs to try, in which order, and why: a table of need and evidence. Pure; asked by the ladder. */
import type { Rung } from '../ports/transport'

/** What the application needs of its connection just now. */
export type Need =
  /** It sends: publishes often, says where its cursor is. */
  | 'talk'
  /** It hears, and sends now and then. */
  | 'listen'
  /** Nobody looks: the page is hidden for minutes, or data is to be saved. */
  | 'rest'

/** What is known of a rung on the way to this server. */
export type Standing =
  /** The application asked for this one. */
  | 'asked'
  /** It worked, or nothing speaks against it. */
  | 'good'
  /** It did not come through while another rung did. */
  | 'blocked'
  /** It comes through, and is cut again and again. */
  | 'unstable'

export interface Situation {
  /** The rungs that may be used. Where the application gave an order, it is this one. */
  readonly rungs: readonly Rung[]
  /** The application gave an order: it counts, and not what we think of its needs. */
  readonly ordered: boolean
  readonly need: Need
  /** Where each open stream takes one of the six connections that all tabs of a browser share, an open request is no small thing. */
  readonly crowded: boolean
  readonly standing: (rung: Rung) => Standing
}

export interface Choice {
  readonly rung: Rung
  readonly standing: Standing
}

/** Best first. */
const preferences: { readonly [N in Need]: readonly Rung[] } = {
  talk: ['websocket', 'sse', 'sse-post', 'long-poll', 'poll'],
  listen: ['sse', 'websocket', 'sse-post', 'long-poll', 'poll'],
  rest: ['poll', 'long-poll', 'sse', 'sse-post', 'websocket'],
}

/** With one of these nothing better is looked for. */
const contents: { readonly [N in Need]: readonly Rung[] } = {
  talk: ['websocket'],
  listen: ['sse', 'sse-post', 'websocket'],
  rest: ['poll'],
}

const precedence: readonly Standing[] = ['asked', 'good', 'blocked', 'unstable']

/** All rungs in the order in which to try them. */
export function decide(situation: Situation): Choice[] {
  return preferred(situation)
    .map((rung): Choice => ({ rung, standing: situation.standing(rung) }))
    .sort((a, b) => precedence.indexOf(a.standing) - precedence.indexOf(b.standing))
}

/** The rungs that would suit the need better than this one, best first. */
export function better(situation: Situation, rung: Rung): Rung[] {
  if (content(situation, rung)) return []
  const order = preferred(situation)
  return order.slice(0, order.indexOf(rung)).filter((other) => situation.standing(other) !== 'unstable')
}

/** Whether this rung is all that the need asks for. */
export function content(situation: Situation, rung: Rung): boolean {
  if (situation.standing(rung) === 'asked') return true
  const { ordered, need, rungs } = situation
  if (ordered) return rung === rungs[0]
  const good = contents[need].filter((each) => rungs.includes(each))
  return good.length > 0 ? good.includes(rung) : rung === preferred(situation)[0]
}

function preferred({ rungs, ordered, need, crowded }: Situation): Rung[] {
  if (ordered) return [...rungs]
  // A page that only hears takes a WebSocket there, which is not counted among the six.
  const order = preferences[need === 'listen' && crowded ? 'talk' : need]
  return order.filter((rung) => rungs.includes(rung))
}
