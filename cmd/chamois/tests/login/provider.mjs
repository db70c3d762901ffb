// The site's OpenID provider for the tests of logins: `node provider.mjs '{"port":…,"redirectUris":[…]}'`. Its development
// interactions let anybody in under any name, and its keys are the same after each start.
import Provider from 'oidc-provider';

const { port, redirectUris } = JSON.parse(process.argv[2]);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: 'chamois',
      client_secret: 's3cr:t of+chamois',
      redirect_uris: redirectUris,
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
    {
      client_id: 'machine',
      client_secret: 'machine',
      redirect_uris: [],
      response_types: [],
      grant_types: ['client_credentials'],
    },
  ],
  claims: { openid: ['sub', 'preferred_username', 'groups'] },
  // groups are wanted in the ID token itself
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: `sub-${id}`, preferred_username: id, groups: [`${id}-group`, 'everybody'] }),
  }),
  features: {
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        scope: 'smd.read',
        audience: 'openchami',
        accessTokenFormat: 'jwt',
        accessTokenTTL: 300,
      }),
    },
  },
  cookies: { keys: ['a key of the tests'] },
});
provider.listen(port, '127.0.0.1', () => console.log('ready'));
