/** Who there is, and who a cookie says one is: asked by the page, by the actions and by rt. A real app looks a session up here. */
export interface User {
  readonly id: string
  readonly name: string
}

export const users: readonly User[] = [
  { id: 'ada', name: 'Ada Lovelace' },
  { id: 'grace', name: 'Grace Hopper' },
]

/** The cookie that says who one is. Everybody may be anybody here: it is a demo. */
export const COOKIE = 'user'

export const userById = (id: string | undefined): User | null => users.find((user) => user.id === id) ?? null

/** Reads a `Cookie` header. */
export function userOfCookies(header: string | null): User | null {
  const pair = (header ?? '').split(/;\s*/).find((part) => part.startsWith(`${COOKIE}=`))
  return userById(pair?.slice(COOKIE.length + 1))
}
