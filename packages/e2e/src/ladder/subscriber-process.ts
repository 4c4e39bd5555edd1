/** A client of the bench as a process of its own: for those that sleep, or live in another network. */
import { parent, settings } from '../processes/child.ts'
import { type Seen, Subscriber, type SubscriberSettings } from './subscriber.ts'

export type SubscriberTold =
  | { readonly type: 'seen'; readonly seen: Seen }
  | { readonly type: 'published'; readonly call: number; readonly refusal: string | null }
  | { readonly type: 'explained'; readonly text: string }

export type SubscriberAsked =
  | { readonly type: 'publish'; readonly call: number; readonly sequence: number; readonly bytes: number }
  | { readonly type: 'haste'; readonly hasty: boolean }
  | { readonly type: 'connect' }
  | { readonly type: 'explain' }
  | { readonly type: 'close' }

const { tell, leave } = parent<SubscriberTold, SubscriberAsked>((asked) => void answer(asked))
const subscriber = new Subscriber(settings<SubscriberSettings>(), (seen) => tell({ type: 'seen', seen }))

async function answer(asked: SubscriberAsked): Promise<void> {
  switch (asked.type) {
    case 'publish': {
      const refusal = await subscriber.publish(asked.sequence, asked.bytes)
      tell({ type: 'published', call: asked.call, refusal })
      return
    }
    case 'haste':
      subscriber.hasty = asked.hasty
      return
    case 'connect':
      subscriber.connect()
      return
    case 'explain':
      tell({ type: 'explained', text: await subscriber.explain() })
      return
    case 'close':
      subscriber.close()
      leave()
  }
}
