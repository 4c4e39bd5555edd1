/** The way of a publication into the broker: name, permission, schema, size, JSON; called by `rt.publish` and the publish command. */
import { type Id, isMessageId, limits, RealtimeError, toRealtimeError } from '@rt/protocol'
import type { Broker } from '../ports/broker'
import type { Identity } from '../ports/connection'
import type { Hub } from '../ports/hub'
import type { Authorize } from './authorize'
import type { Contract } from './contract'
import type { Counters } from './counters'
import type { ReadPayload } from './payload'

/** Who publishes: a client, held to the channel's rule, or the app itself. */
export type Publisher =
  | { readonly client: Identity | null }
  | { readonly server: true; readonly from?: string | undefined }

export interface Draft {
  readonly channel: string
  readonly data: unknown
  readonly messageId?: string | undefined
  readonly publisher: Publisher
}

export interface PublishResult {
  /** Null on `live` channels, which are not stored. */
  readonly id: Id | null
  /** True when this `messageId` was stored before; `id` is that publication's. */
  readonly duplicate: boolean
}

export interface Publishing {
  /**
   * Everything before the broker, which may take time; resolves with the last step, to be called at once or in the order that the publications
   * shall have. Rejects, with `outcome: 'failed'`, with `unknown_channel`, `forbidden`, `unauthenticated`, `invalid_message`, `invalid_request`,
   * `payload_too_large`. The last step rejects as {@link Broker.publish} does.
   */
  prepare(draft: Draft): Promise<() => Promise<PublishResult>>
}

export interface PublishingOptions {
  readonly contract: Contract
  readonly authorize: Authorize
  readonly broker: Broker
  readonly hub: Hub
  /** Milliseconds. */
  readonly dedupe: number
  readonly readPayload: ReadPayload
  readonly counters: Counters
}

export function createPublishing({
  contract,
  authorize,
  broker,
  hub,
  dedupe,
  readPayload,
  counters,
}: PublishingOptions): Publishing {
  async function prepare({ channel: name, data, messageId, publisher }: Draft): Promise<() => Promise<PublishResult>> {
    const channel = contract.resolve(name)
    if ('client' in publisher) await authorize(channel, 'publish', publisher.client)
    if (messageId !== undefined && !isMessageId(messageId)) {
      throw new RealtimeError(
        'invalid_request',
        `\`messageId\` must be 1 to ${limits.messageIdLength} letters, digits, "_" or "-".`,
      )
    }
    const payload = await readPayload.member(channel.definition.message, data, limits.frameBytes)
    const from = 'client' in publisher ? publisher.client?.id : publisher.from
    const members = `${from === undefined ? '' : `"from":${JSON.stringify(from)},`}${payload}`
    const { delivery, history } = channel.rules
    if (delivery === 'live') {
      return async () => {
        hub.publishLive(name, members)
        counters.publications.live++
        return { id: null, duplicate: false }
      }
    }
    const id = messageId ?? crypto.randomUUID()
    const key = dedupeKey(id, publisher)
    return () =>
      counted(
        broker.publish({ channel: name, messageId: key, body: `"messageId":"${id}",${members}`, history, dedupe }),
      )
  }

  async function counted(publishing: Promise<PublishResult>): Promise<PublishResult> {
    try {
      const published = await publishing
      counters.publications[published.duplicate ? 'duplicate' : 'stored']++
      return published
    } catch (error) {
      counters.publications[toRealtimeError(error).outcome === 'failed' ? 'failed' : 'unknown']++
      throw error
    }
  }

  return {
    prepare: (draft) =>
      prepare(draft).catch((error: unknown) => {
        throw asFailed(toRealtimeError(error))
      }),
  }
}

/**
 * What the broker remembers a publish by, beside the channel. The `messageId` of a client counts only among its own: were it shared, whoever
 * guesses or has seen the one of another could use it up, and that other's publish would be answered as stored without ever being so.
 * So two identities that use the same one are stored twice, and one identity that uses it on two devices once. All who publish as nobody share
 * one scope (and should leave the random default). The app's own ids have theirs, whatever `from` it gives.
 * Percent-encoding keeps ":" and blanks out, which brokers may join keys with.
 */
function dedupeKey(messageId: string, publisher: Publisher): string {
  return 'client' in publisher ? `${messageId}@${encodeURIComponent(publisher.client?.id ?? '')}` : messageId
}

/** Nothing was sent to the broker, and the publisher may know. */
function asFailed(error: RealtimeError): RealtimeError {
  const { code, message, hint, retryAfter, issues, cause } = error
  return new RealtimeError(code, message, {
    hint,
    outcome: 'failed',
    cause,
    ...(retryAfter !== undefined && { retryAfter }),
    ...(issues !== undefined && { issues }),
  })
}
