// Prints how many requests a second Amazon's Node SDK signs: node sign_with_node.js SDK KEY_FILE COUNT
'use strict';
const fs = require('fs');
const [sdk, keyFile, count] = process.argv.slice(2);
const { WebStoreClient } = require(sdk);
const client = new WebStoreClient({
  publicKeyId: 'SANDBOX-BENCH',
  privateKey: fs.readFileSync(keyFile, 'utf8'),
  region: 'na',
  algorithm: 'AMZN-PAY-RSASSA-PSS-V2',
});
const payload = JSON.stringify({
  chargePermissionId: 'B01-0000000-0000000',
  chargeAmount: { amount: '0.01', currencyCode: 'USD' },
});

function sign(times) {
  const start = process.hrtime.bigint();
  for (let i = 0; i < times; i += 1) {
    client.getSignedHeaders({
      method: 'POST',
      urlFragment: 'charges',
      payload,
      headers: { 'x-amz-pay-idempotency-key': '0123456789abcdef0123456789abcdef' },
    });
  }
  return times / (Number(process.hrtime.bigint() - start) / 1e9);
}

sign(Math.ceil(count / 5)); // the just-in-time compiler gets its warm-up
console.log(sign(Number(count)));
