/** What was seen of each rung on the way to this server: what came through, what did not, what is cut and when. Bookkeeping without timers; owned by the ladder. */
import { times } from '@rt/protocol'
import type { Rung } from '../ports/transport'
import type { Standing } from './decide'

/** Milliseconds. */
export const lessons = {
  /** What was seen of a rung counts for so long: networks change. */
  memory: 1_800_000,
  /** A link that was cut earlier than this, twice, is not worth having for two minutes. */
  brief: 10_000,
  demotion: 120_000,
  /** Two cuts at the same age, or after the same silence, within this are a rule and no accident. */
  tolerance: 1000,
  /** Two links that went silent within this were held back. */
  silence: 600_000,
  /** A shorter silence is no idle time-out. */
  idle: 2000,
} as const

/** How much of a life that the path allows is used. */
const USED = 0.9

interface Sight {
  /** Monotonic; when it came through last. */
  worked: number
  /** When it did not, and another one did. */
  blocked: number
  /** Until when it counts as unstable. */
  unstable: number
  /** How often in a row it had no answer at all, and another one worked soon after. */
  doubts: number
  /** When one of its links went silent for good. */
  silenced: number
  /** Its last cut: age of the link, and how long nothing had come. */
  cut: { readonly age: number; readonly quiet: number } | null
  /** The age at which the path cuts it; null: it does not. */
  life: Learned | null
}

interface Learned {
  readonly ms: number
  /** Monotonic. */
  readonly at: number
}

/** What a cut taught. */
export type Lesson =
  | { readonly kind: 'life' | 'heartbeat'; readonly ms: number }
  | { readonly kind: 'unstable' | 'held' }

/** What is kept for the next page of the same origin. */
export interface Memory {
  /** Rung → milliseconds since 1970. */
  readonly worked: { readonly [rung: string]: number }
  readonly blocked: { readonly [rung: string]: number }
}

const NEVER_SEEN = Number.NEGATIVE_INFINITY

export class Evidence {
  readonly #sights = new Map<Rung, Sight>()
  /** Rungs that did not come through since one did: whether it is they or the network, the next that comes through tells. */
  readonly #suspects = new Set<Rung>()
  /** Perhaps nobody was there when they failed. */
  #deserted = false
  #heartbeat: Learned | null = null

  /** Milliseconds between heartbeats that keep the path from cutting silent links; undefined: the server's own will do. */
  heartbeat(now: number): number | undefined {
    return valid(this.#heartbeat, now)?.ms
  }

  standing(rung: Rung, now: number): Exclude<Standing, 'asked'> {
    const { worked, blocked, unstable } = this.#of(rung)
    if (unstable > now) return 'unstable'
    return blocked > worked && now - blocked < lessons.memory ? 'blocked' : 'good'
  }

  /** How long a link of this rung lives before the path cuts it; infinite when it does not. */
  usableLife(rung: Rung, now: number): number {
    return (valid(this.#of(rung).life, now)?.ms ?? Number.POSITIVE_INFINITY) * USED
  }

  /** It came through. Returns the rungs that are blocked, as is known now. */
  proven(rung: Rung, now: number): Rung[] {
    const sight = this.#of(rung)
    sight.worked = now
    sight.doubts = 0
    this.#suspects.delete(rung)
    // Where the network came back in the middle of a round, those that were tried before are as good as this one.
    const blocked = [...this.#suspects].filter((other) => !this.#deserted || ++this.#of(other).doubts > 1)
    this.pardon()
    for (const other of blocked) this.#of(other).blocked = now
    return blocked
  }

  /** It did not come through; `deserted`: there was no answer of any kind. */
  failed(rung: Rung, deserted = false): void {
    this.#suspects.add(rung)
    this.#deserted ||= deserted
  }

  /** The network was away altogether: what failed meanwhile says nothing. */
  pardon(): void {
    this.#suspects.clear()
    this.#deserted = false
  }

  /** It comes through, and late: something on the way holds back. */
  held(rung: Rung, now: number): Lesson {
    this.#of(rung).unstable = now + lessons.demotion
    return { kind: 'held' }
  }

  /** A link that worked went silent. Once that is a network that is gone; again and again the last bytes are held back. */
  silenced(rung: Rung, now: number): Lesson | null {
    const sight = this.#of(rung)
    const again = now - sight.silenced < lessons.silence
    sight.silenced = now
    return again ? this.held(rung, now) : null
  }

  /** A link that worked was cut by the path at this age, when nothing had come for `quiet` milliseconds. `heartbeat`: its own. */
  cut(rung: Rung, age: number, quiet: number, heartbeat: number, now: number): Lesson | null {
    const sight = this.#of(rung)
    const before = sight.cut
    sight.cut = { age, quiet }
    if (before === null) return null
    const asked = Math.max(times.quickHeartbeat, Math.round(quiet / 2))
    if (quiet >= lessons.idle && quiet < heartbeat && asked < heartbeat && same(quiet, before.quiet)) {
      sight.cut = null
      const ms = Math.min(this.heartbeat(now) ?? asked, asked)
      this.#heartbeat = { ms, at: now }
      return { kind: 'heartbeat', ms }
    }
    if (age < lessons.brief && before.age < lessons.brief) {
      sight.cut = null
      sight.unstable = now + lessons.demotion
      return { kind: 'unstable' }
    }
    if (!same(age, before.age) || age >= (valid(sight.life, now)?.ms ?? Number.POSITIVE_INFINITY)) return null
    const ms = Math.min(age, before.age)
    sight.life = { ms, at: now }
    return { kind: 'life', ms }
  }

  save(now: number, wall: number): Memory {
    const since = (of: 'worked' | 'blocked') =>
      Object.fromEntries(
        [...this.#sights].flatMap(([rung, sight]) =>
          sight[of] === NEVER_SEEN ? [] : [[rung, wall - (now - sight[of])]],
        ),
      )
    return { worked: since('worked'), blocked: since('blocked') }
  }

  /** Takes in what another page kept; what is not of our making is passed over. */
  load(memory: Partial<Memory> | null, now: number, wall: number, rungs: readonly Rung[]): void {
    for (const rung of rungs) {
      for (const of of ['worked', 'blocked'] as const) {
        const at = memory?.[of]?.[rung]
        const age = typeof at === 'number' ? wall - at : Number.NaN
        if (age >= 0 && age < lessons.memory) this.#of(rung)[of] = now - age
      }
    }
  }

  #of(rung: Rung): Sight {
    let sight = this.#sights.get(rung)
    if (sight === undefined) {
      sight = {
        worked: NEVER_SEEN,
        blocked: NEVER_SEEN,
        unstable: NEVER_SEEN,
        doubts: 0,
        silenced: NEVER_SEEN,
        cut: null,
        life: null,
      }
      this.#sights.set(rung, sight)
    }
    return sight
  }
}

/** Networks change, and what was learned of them is old some day. */
function valid(learned: Learned | null, now: number): Learned | null {
  return learned !== null && now - learned.at < lessons.memory ? learned : null
}

function same(a: number, b: number): boolean {
  return Math.abs(a - b) <= Math.max(lessons.tolerance, a / 20)
}
