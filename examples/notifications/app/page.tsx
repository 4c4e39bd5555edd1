/** The page: rendered on the server with what the user has now, so that the badge is right before any script runs. */
import { rt } from '../lib/realtime'
import { currentUser } from '../lib/session'
import { users } from '../lib/users'
import { signIn } from './actions'
import { Avatar } from './avatar'
import { Live } from './live'
import { Notifications } from './notifications'

export default async function Page() {
  const user = await currentUser()
  if (user === null) return <SignIn />
  const initial = await rt.state(`user:${user.id}:notifications`, { identity: user })
  return (
    <Live websocket={process.env['WEBSOCKET'] === 'yes'}>
      <Notifications me={user} users={users} initial={initial} now={Date.now()} />
    </Live>
  )
}

function SignIn() {
  return (
    <main className="sign-in">
      <h1>Who are you?</h1>
      <p>Two people, one server. Be one of them here and the other one in a private window.</p>
      <form action={signIn}>
        {users.map((user) => (
          <button key={user.id} name="user" value={user.id} type="submit">
            <Avatar user={user} />
            {user.name}
          </button>
        ))}
      </form>
    </main>
  )
}
