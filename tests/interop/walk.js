// A merchant's server, written with Amazon's SDK: node walk.js SDK STORE_ID, with the SDK's settings as a line of input.
// Each call prints one line of JSON.  Where somebody else has to act first, it says what to do and waits for a line.
'use strict';
const readline = require('readline');
const [sdk, storeId] = process.argv.slice(2);
const { WebStoreClient } = require(sdk);

const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const usd = (amount) => ({ amount, currencyCode: 'USD' });
const withKey = (key) => ({ 'x-amz-pay-idempotency-key': `${key}-${process.pid}` });
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function ask(line) {
  say(line);
  await input.next();
}

/** Returns a function that makes one call of the SDK and says how it ended; a refusal is an ending too. */
const caller = (client) => async (operation, ...parameters) => {
  const answer = await client[operation](...parameters).catch((error) => error.response || Promise.reject(error));
  const { data, status, headers } = answer;
  const outcome = data.reasonCode || data.processingStatus || (data.statusDetails || {}).state || '';
  say({ operation, status, outcome, requestId: headers['x-amz-pay-request-id'] });
  return data;
};

async function checkOut(call, host) {
  const { checkoutSessionId: id } = await call('createCheckoutSession', {
    storeId,
    webCheckoutDetails: { checkoutReviewReturnUrl: 'https://shop.example/review' },
    chargePermissionType: 'PaymentMethodOnFile',
    paymentMethodOnFileMetadata: { setupOnly: false },
    merchantMetadata: { merchantStoreName: 'Café « Zoë » \\ 東京' },
  }, withKey('session'));
  await ask({ visit: `https://${host}/checkout?amazonCheckoutSessionId=${id}` });
  await call('getCheckoutSession', id);
  const updated = await call('updateCheckoutSession', id, {
    webCheckoutDetails: { checkoutResultReturnUrl: 'https://shop.example/result' },
    paymentDetails: { paymentIntent: 'Authorize', chargeAmount: usd('14.00') },
  });
  await ask({ visit: updated.webCheckoutDetails.amazonPayRedirectUrl });
  return call('completeCheckoutSession', id, { chargeAmount: usd('14.00') });
}

async function report(call) {
  const reportType = '_GET_FLAT_FILE_OFFAMAZONPAYMENTS_SANDBOX_SETTLEMENT_DATA_';
  const day = { startTime: '20260115T000000Z', endTime: '20260116T000000Z' };
  const { reportId } = await call('createReport', { reportType, ...day }, withKey('report'));
  await ask({ advance: 'PT30S' });
  await call('getReportById', reportId);
  const { reports } = await call('getReports', {
    reportTypes: [reportType], processingStatuses: ['COMPLETED', 'FAILED'], pageSize: 1,
  });
  await call('getReportDocument', reports[0].reportDocumentId);
  const { reportScheduleId } = await call('createReportSchedule', {
    reportType, scheduleFrequency: 'P1D', nextReportCreationTime: '20990101T000000Z', deleteExistingSchedule: true,
  }, withKey('schedule'));
  await call('getReportSchedules', [reportType]);
  await call('getReportScheduleById', reportScheduleId);
  await call('cancelReportSchedule', reportScheduleId);
}

async function main() {
  const settings = JSON.parse((await input.next()).value);
  const call = caller(new WebStoreClient(settings));

  const { chargeId, chargePermissionId } = await checkOut(call, settings.overrideServiceUrl || 'apay-us.amazon.com');
  await call('getChargePermission', chargePermissionId);
  await call('updateChargePermission', chargePermissionId, { merchantMetadata: { noteToBuyer: 'Merci, Zoë' } });

  await call('getCharge', chargeId);
  await call('captureCharge', chargeId, { captureAmount: usd('14.00') }, withKey('capture'));
  await call('cancelCharge', chargeId, { cancellationReason: 'too late' });
  const { refundId } = await call('createRefund', { chargeId, refundAmount: usd('4.00') }, withKey('refund'));
  await ask({ advance: 'PT30S' });
  await call('getRefund', refundId);

  const later = { chargePermissionId, chargeAmount: usd('5.00'), captureNow: false };
  const first = await call('createCharge', later, withKey('later'));
  const again = await call('createCharge', later, withKey('later'));
  say({ replayed: first.chargeId === again.chargeId });
  await call('cancelCharge', first.chargeId, { cancellationReason: 'not needed' });
  await call('closeChargePermission', chargePermissionId, { closureReason: 'the end' });
  await report(call);
}

// The open input would keep the process alive.
main().then(() => process.exit(0), (error) => {
  process.stderr.write(`${error.stack || error}\n`);
  process.exit(1);
});
