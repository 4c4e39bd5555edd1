/** Reads of one partition's log, shared: while one is under way all who want to read wait for the next, which serves them together. */
import { compareIds, type Id, type Position } from '@rt/protocol'
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
  /** To a want with a position. */
  after(channel: string): ReadAnswer
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
      const index = new Map<string, number>()
      for (const [channel, { life, positions }] of lineage === null ? [] : batch.after) {
        let after: Id | null = null
        for (const position of positions) {
          const place = placeOf(position, lineage as Lineage).after
          if (after === null || compareIds(place, after) < 0) after = place
        }
        index.set(`a${channel}`, requests.push({ channel, after, last: 0, life }) - 1)
      }
      for (const [channel, { life, last }] of lineage === null ? [] : batch.tail) {
        index.set(`t${channel}`, requests.push({ channel, after: null, last, life }) - 1)
      }
      const { epoch, past, head, answers } = await this.#broker.read(this.#partition, lineage?.epoch ?? null, requests)
      this.#lineage = { epoch, past }
      // The positions are resolved anew when the log's life is another one than we believed.
      if (answers === null) continue
      const answer = (key: string): ReadAnswer => answers[index.get(key) as number] as ReadAnswer
      return {
        lineage: this.#lineage,
        head,
        after: (channel) => answer(`a${channel}`),
        tail: (channel) => answer(`t${channel}`),
      }
    }
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
