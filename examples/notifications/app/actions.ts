/** What the page's buttons do, on the server: change the app's own data, then tell who listens. */
'use server'
import { cookies } from 'next/headers'
import { rt } from '../lib/realtime'
import type { Change } from '../lib/schema'
import { currentUser } from '../lib/session'
import { store } from '../lib/store'
import { COOKIE, type User, userById } from '../lib/users'

export async function signIn(form: FormData): Promise<void> {
  const user = userById(String(form.get('user')))
  if (user !== null) (await cookies()).set(COOKIE, user.id, { httpOnly: true, sameSite: 'lax' })
}

export async function signOut(): Promise<void> {
  const jar = await cookies()
  jar.delete(COOKIE)
}

export async function send(form: FormData): Promise<void> {
  const from = await demandUser()
  const to = userById(String(form.get('to')))
  if (to === null) throw new Error('There is no such user.')
  const at = Date.now()
  const id = `${at.toString(36)}-${crypto.randomUUID().slice(0, 8)}`
  const text = String(form.get('text')).trim().slice(0, 200)
  await tell(to, { type: 'added', notice: { id, from: from.id, text: text || 'Ping!', at, read: false } })
}

export async function markRead(ids: readonly string[]): Promise<void> {
  await tell(await demandUser(), { type: 'read', ids: ids.slice(0, 100).map(String) })
}

/** First the data, then the news of it: who reads the data after hearing the news finds it there. */
async function tell(user: User, change: Change): Promise<void> {
  await store.change(user.id, change)
  await rt.publish(`user:${user.id}:notifications`, change)
}

async function demandUser(): Promise<User> {
  const user = await currentUser()
  if (user === null) throw new Error('Nobody is signed in.')
  return user
}
