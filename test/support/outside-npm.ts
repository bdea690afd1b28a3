/** An npm that runs tests tells its children which package they belong to: this environment does not. */
export const outsideNpm = Object.fromEntries(
  Object.entries(process.env).filter(([key]) => !/^npm_(package|lifecycle|config_local_prefix)/.test(key)),
);
