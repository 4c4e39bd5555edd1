/** Everything of the page that is alive: the bell with its badge, the list, and the form that sends. */
'use client'
import { type ReactNode, useEffect, useState, useTransition } from 'react'
import { apply, type Inbox, unreadOf } from '../lib/inbox'
import type { Change } from '../lib/schema'
import type { User } from '../lib/users'
import { markRead, send, signOut } from './actions'
import { ago } from './ago'
import { Avatar } from './avatar'
import { useChannelState, useConnection } from './live'

interface Props {
  readonly me: User
  readonly users: readonly User[]
  readonly initial: Inbox
  /** When the server rendered this, so that both write the same times. */
  readonly now: number
}

const transports = { websocket: 'WebSocket', sse: 'SSE', 'long-poll': 'Long poll', poll: 'Poll' }

const reduce = (inbox: Inbox, { data }: { readonly data: Change }) => apply(inbox, data)

export function Notifications({ me, users, initial, now }: Props) {
  const { state: inbox = initial, status } = useChannelState(`user:${me.id}:notifications`, {
    initial,
    reduce,
  })
  const { transport } = useConnection()
  const unread = unreadOf(inbox)
  const live = status === 'live' && transport !== null
  useEffect(() => {
    document.title = unread === 0 ? 'rt notifications' : `(${unread}) rt notifications`
  }, [unread])
  return (
    <>
      <header>
        <Bell unread={unread} />
        <strong>rt notifications</strong>
        <span className="status" data-live={live} role="status">
          {live ? `Live · ${transports[transport]}` : 'Connecting …'}
        </span>
        <span className="me">
          <Avatar user={me} />
          {me.name}
        </span>
        <form action={signOut}>
          <button type="submit">Sign out</button>
        </form>
      </header>
      <main className="columns">
        <List inbox={inbox} users={users} now={now} />
        <Composer me={me} users={users} />
      </main>
    </>
  )
}

function Bell({ unread }: { readonly unread: number }) {
  return (
    <span className="bell">
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d="M6 16.5v-5a6 6 0 0 1 12 0v5l1.7 1.7H4.3zM10 20.5a2.1 2.1 0 0 0 4 0" />
      </svg>
      <output id="badge" className="badge" hidden={unread === 0} aria-label={`${unread} unread`} key={unread}>
        {unread}
      </output>
    </span>
  )
}

function List({ inbox, users, now }: { readonly inbox: Inbox } & Pick<Props, 'users' | 'now'>) {
  const time = useTime(now)
  const [, start] = useTransition()
  const unread = inbox.notices.filter(({ read }) => !read).map(({ id }) => id)
  return (
    <section className="card list">
      <div className="top">
        <h1>Notifications</h1>
        <button
          type="button"
          id="read-all"
          disabled={unread.length === 0}
          onClick={() => start(() => markRead(unread))}
        >
          Mark all as read
        </button>
      </div>
      {inbox.notices.length === 0 && <p className="empty">Nothing yet. Send yourself one.</p>}
      <ol>
        {inbox.notices.map(({ id, from, text, at, read }) => {
          const sender = users.find((user) => user.id === from) ?? { id: from, name: from }
          return (
            <li key={id} data-read={read}>
              <Avatar user={sender} />
              <div>
                <p>{text}</p>
                <small>
                  {sender.name} · <time dateTime={new Date(at).toISOString()}>{ago(at, time)}</time>
                </small>
              </div>
              {!read && (
                <button type="button" className="read" onClick={() => start(() => markRead([id]))}>
                  Mark as read
                </button>
              )}
            </li>
          )
        })}
      </ol>
    </section>
  )
}

const suggestions = ['The build is green.', 'Your turn in the game.', 'Lunch at noon?']

function Composer({ me, users }: Pick<Props, 'me' | 'users'>) {
  const [text, setText] = useState('')
  const others = users.filter(({ id }) => id !== me.id)
  const submit = async (form: FormData) => {
    setText('')
    await send(form)
  }
  return (
    <form className="card composer" action={submit}>
      <h2>Send one</h2>
      <label>
        Text
        <input name="text" value={text} maxLength={200} required onChange={(event) => setText(event.target.value)} />
      </label>
      <div className="suggestions">
        {suggestions.map((suggestion) => (
          <button key={suggestion} type="button" onClick={() => setText(suggestion)}>
            {suggestion}
          </button>
        ))}
      </div>
      <div className="send">
        {others.map(({ id, name }) => (
          <Send key={id} to={id}>
            Send to {name.split(' ')[0]}
          </Send>
        ))}
        <Send to={me.id}>Send to myself</Send>
      </div>
      <p className="hint">
        The count on the bell is in the page that the server renders. What comes later arrives over rt, also in your
        other tabs.
      </p>
    </form>
  )
}

function Send({ to, children }: { readonly to: string; readonly children: ReactNode }) {
  return (
    <button type="submit" name="to" value={to}>
      {children}
    </button>
  )
}

/** The time by which ages are told: the server's at first, since both must render the same, then this page's. */
function useTime(rendered: number): number {
  const [time, setTime] = useState(rendered)
  useEffect(() => {
    setTime(Date.now())
    const timer = setInterval(() => setTime(Date.now()), 20_000)
    return () => clearInterval(timer)
  }, [])
  return time
}
