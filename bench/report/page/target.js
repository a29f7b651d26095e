// Times to a loss that the reader chooses, by the curves of the rows.

const given = new Map(["target_loss", "target_seconds", "versus_cluster"].map(name => [name, {...columns.get(name)}]));

// Times and ratios to the loss that the reader asks for; those of each workload if to none.
function retarget() {
  const target = Number(state.target);
  if (!(target > 0)) {
    for (const [name, column] of given) Object.assign(columns.get(name), column);
    return;
  }
  const seconds = data.rows.map(row => crossing(row.seconds, row.losses, target));
  const versus = data.rows.map((row, i) => {
    const cluster = data.rows[row.cluster];
    const reference = cluster && seconds[row.cluster];
    return reference > 0 && seconds[i] !== null ? seconds[i] / (reference * cluster.peak / row.peak) : null;
  });
  const trained = data.rows.map(row => row.losses.length > 0);
  const say = (name, numbers, texts) => Object.assign(columns.get(name), {numbers, texts});
  say("target_loss", trained.map(some => some ? target : null), trained.map(some => some ? target.toFixed(3) : "-"));
  say("target_seconds", seconds, seconds.map((time, i) => time !== null ? secondsText(time) : trained[i] ? "never" : "-"));
  say("versus_cluster", versus, versus.map(ratio => ratio === null ? "-" : `${threeDigits(ratio)}x`));
}

// The place at which the loss first is `target` or lower, linear between evaluations; null if it never is.
function crossing(places, losses, target) {
  for (let i = 0; i < losses.length; i++) {
    if (losses[i] === null || losses[i] > target) continue;
    if (i === 0) return places[0];
    const before = losses[i - 1];
    if (before === null) return null;
    return places[i - 1] + (before - target) / (before - losses[i]) * (places[i] - places[i - 1]);
  }
  return null;
}
