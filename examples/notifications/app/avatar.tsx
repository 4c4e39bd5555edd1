/** A user's initials in a colour of their own. */
import type { User } from '../lib/users'

export function Avatar({ user }: { readonly user: User }) {
  const initials = user.name.split(' ').map((word) => word[0])
  return (
    <span className={`avatar ${user.id}`} aria-hidden="true">
      {initials}
    </span>
  )
}
