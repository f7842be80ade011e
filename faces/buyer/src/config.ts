/**
 * Where the service is, for the mini-program: `livesale mini-program` writes this file anew in the
 * built folder. The web page asks its own origin instead.
 */
export const API_ADDRESS = 'https://api.livesale.invalid'
