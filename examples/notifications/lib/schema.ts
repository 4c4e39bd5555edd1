/** What is published about notifications, as schemas: read by rt when something is published, by everybody else as types. */
import { z } from 'zod'

export const notice = z.object({
  /** Ids grow with time. */
  id: z.string(),
  from: z.string(),
  text: z.string().trim().min(1).max(200),
  /** Milliseconds since 1970. */
  at: z.number(),
  read: z.boolean(),
})
export type Notice = z.infer<typeof notice>

export const change = z.discriminatedUnion('type', [
  z.object({ type: z.literal('added'), notice }),
  z.object({ type: z.literal('read'), ids: z.array(z.string()) }),
])
export type Change = z.infer<typeof change>
