/** Who is signed in, for pages and actions; rt asks the same cookie in lib/realtime.ts. */
import { cookies } from 'next/headers'
import { COOKIE, type User, userById } from './users'

export async function currentUser(): Promise<User | null> {
  return userById((await cookies()).get(COOKIE)?.value)
}
