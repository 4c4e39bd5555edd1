// Loaded into the process of an example: says how many streams the server still holds. It keeps them in sets, and these are watched.

/** Every set that ever held a stream. */
const holders = new Set()
const isStream = (value) => value?.constructor?.name === 'StreamConnection'

const { add } = Set.prototype
Set.prototype.add = function (value) {
  if (isStream(value)) add.call(holders, this)
  return add.call(this, value)
}

process.on('message', () => {
  const streams = [...holders].flatMap((holder) => [...holder].filter(isStream))
  // Not by a Set: it would be one more that holds them.
  process.send(streams.filter((stream, i) => streams.indexOf(stream) === i).length)
})
// The process ends as it would without us.
process.channel.unref()
