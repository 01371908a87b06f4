// A shop that saves a buyer's Amazon Pay wallet, charges it, refunds, and listens to Amazon: code to copy.
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const { setTimeout: sleep } = require('node:timers/promises');
const axios = require('axios');
const { WebStoreClient } = require('@amazonpay/amazon-pay-api-sdk-nodejs');

const { env } = process;
const SHOP = env.SHOP_URL || 'http://127.0.0.1:8802';
const REGION = env.AMAZON_PAY_REGION || 'na';
const EMULATOR = env.AMAZON_PAY_URL || ''; // leave it out at Amazon: with it, the SDK verifies no certificate at all
const [HOST, CURRENCY] = { na: ['static-na', 'USD'], eu: ['static-eu', 'EUR'], jp: ['static-fe', 'JPY'] }[REGION];
const SCRIPT = env.AMAZON_PAY_SCRIPT || `https://${HOST}.payments-amazon.com/checkout.js`;
const AMOUNT = /^(TransactionAmountExceeded|PeriodicAmountExceeded|InvalidParameterValue|MissingParameterValue)$/;
const FAILED = 'ProcessingFailure'; // any other 5xx leaves open what has happened
const ENDED = /^(InvalidCharge\w*Status|\w+(Declined|Rejected|Allowed|Completed|TimedOut|CountExceeded))$/;
const ALGORITHM = 'AMZN-PAY-RSASSA-PSS-V2'; // the SDK's default is the older one
const CERTIFICATES = EMULATOR || `https://sns.${env.AMAZON_PAY_TOPIC.split(':')[3]}.amazonaws.com`;
axios.defaults.timeout = 15_000; // milliseconds; the SDK waits forever
const amazon = new WebStoreClient({
  publicKeyId: env.AMAZON_PAY_KEY_ID, privateKey: fs.readFileSync(env.AMAZON_PAY_KEY_FILE, 'utf8'), region: REGION,
  sandbox: true, algorithm: ALGORITHM, ...(EMULATOR && { overrideServiceUrl: new URL(EMULATOR).host }),
});

// Your database.  What Amazon is asked to do is written down first, with its idempotency key.
const wallets = new Map(); // visitor → { permission, state: saved | repair | none }
const sessions = new Map(); // id → { visitor, saved }
const orders = new Map(); // id → { visitor, state: pending | paid | declined | refunded, key, … }
let turn = Promise.resolve(); // one notification is worked on after the other: the newest answer is noted last

const tell = (error) => console.error(error.message, error.response?.data ?? ''); // not its request, which is signed
const reasonOf = (error) => error.response?.data?.reasonCode;
const random = () => crypto.randomBytes(16).toString('hex'); // 32 characters, the longest that a key may be
const nameOf = (visitor) => crypto.createHash('sha256').update(visitor).digest('hex'); // and does not tell the cookie

/** Returns the answer to a call, made again while it is lost: the SDK does not, and a key makes it harmless. */
function ask(call, attempt = 1) {
  return call().then((answer) => answer.data, async (error) => {
    const { status, headers } = error.response || {};
    const isLost = !status || [408, 425, 429].includes(status) || (status >= 500 && reasonOf(error) !== FAILED);
    if (!axios.isAxiosError(error) || !isLost || attempt === 4) throw error;
    await sleep(1000 * Math.min(8, Number(headers?.['retry-after']) || Math.random() * 2 ** attempt));
    return ask(call, attempt + 1);
  });
}

/** Returns the page whose button leads to Amazon, and back to an address that is good for this visitor only. */
function walletPage(visitor) {
  const address = `${SHOP}/wallet/return?visit=${nameOf(visitor)}`;
  const payloadJSON = JSON.stringify({
    webCheckoutDetails: { checkoutResultReturnUrl: address, checkoutCancelUrl: `${SHOP}/wallet` },
    storeId: env.AMAZON_PAY_STORE_ID, paymentDetails: { paymentIntent: 'Confirm' },
    chargePermissionType: 'PaymentMethodOnFile', paymentMethodOnFileMetadata: { setupOnly: true },
  });
  const signature = amazon.generateButtonSignature(payloadJSON); // of exactly this text
  const button = JSON.stringify({
    merchantId: env.AMAZON_PAY_MERCHANT_ID, ledgerCurrency: CURRENCY, productType: 'PayOnly', placement: 'Other',
    createCheckoutSessionConfig: { payloadJSON, signature, publicKeyId: env.AMAZON_PAY_KEY_ID, algorithm: ALGORITHM },
  }).replace(/</g, '\\u003c');
  return `<!doctype html><title>My wallet</title><div id="button"></div><script src="${SCRIPT}"></script>
    <script>amazon.Pay.renderButton("#button", ${button})</script>`;
}

/** Saves the wallet of a visitor who is back from Amazon, and returns what to tell the buyer. */
async function comeBack(visitor, id) {
  const { webCheckoutDetails: signed } = await ask(() => amazon.getCheckoutSession(id)); // by us; any URL can be opened
  if (signed?.checkoutResultReturnUrl?.endsWith(nameOf(visitor)) && !sessions.has(id)) sessions.set(id, { visitor });
  const session = sessions.get(id);
  if (session?.visitor !== visitor) return "This address is somebody else's.";
  if (session.saved) return 'Amazon Pay is saved.'; // the buyer has loaded the page again
  const end = await ask(() => amazon.completeCheckoutSession(id, {})).catch((error) => {
    if (![409, 422].includes(error.response?.status)) throw error; // otherwise it has ended: the session says how
    return ask(() => amazon.getCheckoutSession(id));
  });
  if (end.statusDetails.state !== 'Completed') return 'Amazon Pay was not saved. You can try again.';
  wallets.set(visitor, { permission: end.chargePermissionId, state: 'saved' });
  session.saved = true;
  return 'Amazon Pay is saved.';
}

/** Asks Amazon whether a wallet can be charged, and notes it. */
async function lookAtWallet(permission) {
  const { statusDetails } = await ask(() => amazon.getChargePermission(permission));
  const state = { Chargeable: 'saved', NonChargeable: 'repair' }[statusDetails.state] || 'none';
  for (const wallet of wallets.values()) if (wallet.permission === permission) wallet.state = state;
}

/** Charges an order, once, however often it is asked for.  In your shop, an order knows its own amount. */
async function charge(visitor, { order: number, amount, currency }) {
  const id = String(number); // as Amazon gives it back
  const wallet = wallets.get(visitor);
  if (wallet) await lookAtWallet(wallet.permission);
  if (wallet?.state === 'saved' && !orders.has(id)) {
    const money = { amount, currencyCode: currency };
    orders.set(id, { visitor, permission: wallet.permission, money, key: random(), state: 'pending', fulfilled: 0 });
  }
  const order = orders.get(id);
  if (order?.visitor !== visitor || order.state !== 'pending') return;
  try {
    settle(await ask(() => (order.charge ? amazon.getCharge(order.charge) : amazon.createCharge({
      chargePermissionId: order.permission, chargeAmount: order.money, captureNow: true,
      merchantMetadata: { merchantReferenceId: id },
    }, { 'x-amz-pay-idempotency-key': order.key }))));
  } catch (error) {
    const reason = reasonOf(error); // a gateway's, or of a late clock, leaves open what an earlier try did: ask again
    if (!ENDED.test(reason) && !AMOUNT.test(reason) && reason !== FAILED) throw error;
    tell(error);
    if (order.state === 'pending') order.state = 'declined';
  }
}

/** Notes what has become of a charge, if it is this shop's.  The first to hear of money sends the goods. */
function settle({ chargeId, chargePermissionId, statusDetails, merchantMetadata }) {
  const order = orders.get(merchantMetadata?.merchantReferenceId);
  if (!order || order.permission !== chargePermissionId || order.fulfilled) return; // a number alone is not unique
  order.charge = chargeId;
  order.state = { Captured: 'paid', Declined: 'declined', Canceled: 'declined' }[statusDetails.state] || 'pending';
  if (order.state === 'paid') order.fulfilled += 1;
}

/** Refunds a paid order, once; the outcome follows later.  In your shop, only your staff may ask for it. */
async function refund(visitor, { order: id, amount, currency }) {
  const order = orders.get(String(id));
  if (order?.visitor !== visitor || order.state !== 'paid') return;
  const wish = (order.refund ??= { money: { amount, currencyCode: currency }, key: random() });
  const payload = { chargeId: order.charge, refundAmount: wish.money };
  await ask(() => amazon.createRefund(payload, { 'x-amz-pay-idempotency-key': wish.key })).catch((error) => {
    if (AMOUNT.test(reasonOf(error)) && order.refund === wish) order.refund = null; // another amount may be right
    throw error;
  });
}

/** Asks Amazon for the object that has changed: a notification does not say what it is now. */
async function hear({ ObjectType: type, ObjectId: id }) {
  if (type === 'CHARGE_PERMISSION') await lookAtWallet(id);
  if (type === 'CHARGE') settle(await ask(() => amazon.getCharge(id)));
  if (type !== 'REFUND') return;
  const { chargeId, statusDetails } = await ask(() => amazon.getRefund(id));
  const order = [...orders.values()].find((one) => one.charge === chargeId);
  if (order && statusDetails.state === 'Refunded') order.state = 'refunded'; // a person looks after a declined one
}

/** Takes a notification, unless Amazon has not signed it for this shop, and works on it once it is answered. */
async function take(body, response) {
  const envelope = JSON.parse(body) || {};
  const digest = { 1: 'RSA-SHA1', 2: 'RSA-SHA256' }[envelope.SignatureVersion];
  const place = /^(.*)\/SimpleNotificationService-[0-9a-f]{32}\.pem$/.exec(envelope.SigningCertURL)?.[1];
  if (envelope.TopicArn !== env.AMAZON_PAY_TOPIC || !digest || place !== CERTIFICATES) return 400;
  const { data: certificate } = await axios.get(envelope.SigningCertURL, { maxRedirects: 0 }); // yours may keep it
  const names = ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'].filter((name) => name in envelope);
  const text = names.map((name) => `${name}\n${envelope[name]}\n`).join('');
  const genuine = crypto.verify(digest, Buffer.from(text), certificate, Buffer.from(`${envelope.Signature}`, 'base64'));
  if (!genuine || envelope.Type !== 'Notification') return 400;
  const news = JSON.parse(envelope.Message);
  response.on('finish', () => { turn = turn.then(() => hear(news)).catch(tell); });
  return 200;
}

/** Returns what a visitor's pages show. */
function stateOf(visitor) {
  const own = [...orders].filter(([, order]) => order.visitor === visitor);
  const shown = own.map(([id, { state, fulfilled }]) => [id, { state, fulfilled }]);
  return JSON.stringify({ wallet: wallets.get(visitor)?.state || 'none', orders: Object.fromEntries(shown) });
}

/** Answers a request with a status and a body.  A visitor is a cookie here; in your shop it is who has signed in. */
async function answer(request, response) {
  let body = ''; // whoever sends too much is answered: the end of the loop must not be that of the connection
  for await (const chunk of request.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    body += chunk;
    if (body.length > 256 * 1024) return [413, 'That is too long.']; // a notification has as much
  }
  const page = (text) => [200, `<!doctype html><title>My wallet</title><p>${text}</p><a href="/wallet">My wallet</a>`];
  const { pathname, searchParams: query } = new URL(request.url, SHOP);
  const id = encodeURIComponent(query.get('amazonCheckoutSessionId'));
  const visitor = /(?:^|; )visitor=([\w-]+)/.exec(request.headers.cookie)?.[1] || random();
  switch (`${request.method} ${pathname}`) {
    case 'GET /wallet': // "Lax": the cookie comes along when Amazon sends the buyer back.  With https, add "Secure".
      response.setHeader('Set-Cookie', `visitor=${visitor}; Path=/; HttpOnly; SameSite=Lax`);
      return [200, walletPage(visitor)];
    case 'GET /wallet/return': return page(await comeBack(visitor, id));
    case 'POST /charge': await charge(visitor, JSON.parse(body)); return [200, stateOf(visitor)];
    case 'POST /refund': await refund(visitor, JSON.parse(body)); return [200, stateOf(visitor)];
    case 'GET /state': return [200, stateOf(visitor)];
    case 'POST /news': return [await take(body, response), ''];
    default: return [404, 'There is no such page.'];
  }
}

http.createServer(async (request, response) => {
  const [status, text] = await answer(request, response).catch((error) => {
    tell(error);
    return [error instanceof SyntaxError ? 400 : error.response?.status || 503, 'That did not work. Please try again.'];
  });
  if (!request.complete) response.setHeader('Connection', 'close'); // the rest of it is not read
  response.writeHead(status, { 'Content-Type': text.startsWith('{') ? 'application/json' : 'text/html' }).end(text);
}).listen(new URL(SHOP).port, '127.0.0.1');
