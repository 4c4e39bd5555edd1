/** Reads of one partition's log, shared: while one is under way all who want to read wait for the next, which serves them together. */
import { compareIds, earlierId, type Id, type Position } from '@rt/protocol'
import type { Broker, ReadAnswer, ReadRequest } from '../ports/broker'
import { type Lineage, placeOf } from './epochs'

/** One channel that a stream wants: what follows a position, or (null) the newest `last` publications. */
export interface Want {
  readonly channel: string
  readonly life: number
  readonly position: Position | null
  readonly last: number
}

/** One moment of a partition. An answer may hold more than was wanted: it was made for all who waited. */
export interface SharedRead {
  readonly lineage: Lineage
  readonly head: Id
  /** To a want with a position: what follows `from`, or an older place. */
  after(channel: string, from: Id): ReadAnswer
  /** To a want without. */
  tail(channel: string): ReadAnswer
}

interface Waiting {
  readonly after: Map<string, { life: number; readonly positions: Position[] }>
  readonly tail: Map<string, { life: number; last: number }>
  readonly result: Promise<SharedRead>
  resolve(result: SharedRead): void
  reject(error: unknown): void
}

export class Reader {
  readonly #broker: Broker
  readonly #partition: number
  #lineage: Lineage | null = null
  #waiting: Waiting | null = null
  /** Channels whose last answer to somebody far behind was cut: those who are nearer may not be kept waiting by its pages. */
  readonly #long = new Set<string>()
  #busy = false

  constructor(broker: Broker, partition: number) {
    this.#broker = broker
    this.#partition = partition
  }

  /** Rejects as Broker.read does. Never joins a read that was already sent: that one may have seen too early a moment. */
  read(wants: readonly Want[]): Promise<SharedRead> {
    this.#waiting ??= waiting()
    const batch = this.#waiting
    for (const { channel, life, position, last } of wants) {
      if (position === null) {
        const tail = batch.tail.get(channel)
        if (tail === undefined) batch.tail.set(channel, { life, last })
        else tail.last = Math.max(tail.last, last)
      } else {
        const after = batch.after.get(channel)
        if (after === undefined) batch.after.set(channel, { life, positions: [position] })
        else if (after.positions.at(-1) !== position) after.positions.push(position)
      }
    }
    if (!this.#busy) void this.#run()
    return batch.result
  }

  async #run(): Promise<void> {
    this.#busy = true
    // Whoever asks in this turn of the event loop rides along.
    await Promise.resolve()
    for (let batch = this.#waiting; batch !== null; batch = this.#waiting) {
      this.#waiting = null
      try {
        batch.resolve(await this.#send(batch))
      } catch (error) {
        batch.reject(error)
      }
    }
    this.#busy = false
  }

  async #send(batch: Waiting): Promise<SharedRead> {
    for (;;) {
      const lineage = this.#lineage
      const requests: ReadRequest[] = []
      const ask = (request: ReadRequest) => requests.push(request) - 1
      const afters = new Map<string, number[]>()
      const tails = new Map<string, number>()
      if (lineage !== null) {
        for (const [channel, { life, positions }] of batch.after) {
          const places = this.#places(channel, positions, lineage)
          afters.set(
            channel,
            places.map((after) => ask({ channel, after, last: 0, life })),
          )
        }
        for (const [channel, { life, last }] of batch.tail)
          tails.set(channel, ask({ channel, after: null, last, life }))
      }
      const { epoch, past, head, answers } = await this.#broker.read(this.#partition, lineage?.epoch ?? null, requests)
      this.#lineage = { epoch, past }
      // The positions are resolved anew when the log's life is another one than we believed.
      if (answers === null) continue
      const answer = (index: number | undefined) => answers[index as number] as ReadAnswer
      for (const [channel, [oldest]] of afters) {
        if (answer(oldest).more) this.#long.add(channel)
        else this.#long.delete(channel)
      }
      return {
        lineage: this.#lineage,
        head,
        after: (channel, from) => {
          const [oldest, nearer] = afters.get(channel) as number[]
          const fits = nearer !== undefined && compareIds((requests[nearer] as { after: Id }).after, from) <= 0
          return answer(fits ? nearer : oldest)
        },
        tail: (channel) => answer(tails.get(channel)),
      }
    }
  }

  /** Where to read a channel from: the oldest place that somebody waits at; and, when that takes several pages, somebody's place by chance. */
  #places(channel: string, positions: readonly Position[], lineage: Lineage): Id[] {
    const places = positions.map((position) => placeOf(position, lineage).after)
    const oldest = places.reduce(earlierId)
    if (!this.#long.has(channel)) return [oldest]
    const other = places[Math.floor(Math.random() * places.length)] as Id
    return other === oldest ? [oldest] : [oldest, other]
  }
}

function waiting(): Waiting {
  let resolve!: (result: SharedRead) => void
  let reject!: (error: unknown) => void
  const result = new Promise<SharedRead>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { after: new Map(), tail: new Map(), result, resolve, reject }
}
