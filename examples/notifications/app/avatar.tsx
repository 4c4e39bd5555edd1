/** A user's initials in a colour of their own. */
import type { User } from '../lib/users'

export function Avatar({ user }: { readonly user: User }) {
  const initials = user.name.replace(/(\S)\S*\s*/g, '$1')
  return (
    <span className={`avatar ${user.id}`} aria-hidden="true">
      {initials}
    </span>
  )
}
