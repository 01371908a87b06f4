/* The emulator's checkout.js: the calls of Amazon's script, posting the same form to the same path of this host. */
(function () {
  "use strict";
  const host = new URL(document.currentScript.src);
  const base = host.href.replace(/checkout\.js.*$/, "");

  function need(config, ...names) {
    for (const name of names) if (!config[name]) throw new Error("Amazon Pay: " + name + " is missing.");
  }

  // By currency: the most decimals that an amount may have.
  const DECIMALS = { USD: 2, EUR: 2, GBP: 2, JPY: 0, AUD: 2, CHF: 2, DKK: 2, HKD: 2, NOK: 2, NZD: 2, SEK: 2, ZAR: 2 };

  /* Return an estimated order amount that can be used; one that cannot is named in the console and left out. */
  function usable(estimate) {
    if (!estimate || !Object.keys(estimate).length) return undefined;
    console.log("Amazon Pay: in the Sandbox the estimated order amount is " + JSON.stringify(estimate));
    const { amount, currencyCode } = estimate;
    const decimals = (String(amount).split(".")[1] || "").length;
    let wrong = "";
    if (!(Number(amount) > 0)) wrong = "amount " + amount + " is not above zero";
    else if (!(currencyCode in DECIMALS)) wrong = "currencyCode " + currencyCode + " is not a currency of Amazon Pay";
    else if (decimals > DECIMALS[currencyCode]) wrong = "amount " + amount + " has too many decimals for " + currencyCode;
    if (!wrong) return estimate;
    console.error("Amazon Pay: estimatedOrderAmount is not used, because " + wrong + ".");
    return undefined;
  }

  function settings(config) {
    const name = config.productType === "SignIn" ? "signInConfig" : "createCheckoutSessionConfig";
    need(config, name, "merchantId", "ledgerCurrency");
    const session = config[name];
    const publicKeyId = session.publicKeyId || config.publicKeyId || "";
    const prefix = publicKeyId.split("-")[0].toUpperCase();
    const sandbox = String(config.sandbox ?? "");
    const live = prefix === "LIVE" || (prefix !== "SANDBOX" && sandbox !== "true");
    if (sandbox && (sandbox === "true") === live) {
      throw new Error("Amazon Pay: sandbox contradicts the prefix of publicKeyId.");
    }
    const estimate = usable(config.estimatedOrderAmount);
    return {
      ...(estimate && { estimatedOrderAmount: JSON.stringify(estimate) }),
      payloadJSON: session.payloadJSON,
      signature: session.signature,
      publicKeyId: publicKeyId,
      algorithm: session.algorithm || "AMZN-PAY-RSASSA-PSS",
      merchantId: config.merchantId,
      productType: config.productType || "PayAndShip",
      environment: live ? "LIVE" : "SANDBOX",
      ledgerCurrency: config.ledgerCurrency,
      checkoutLanguage: config.checkoutLanguage || "",
      merchantDomain: window.location.hostname,
      origin_url: window.location.origin,
      viewType: "redirectView",
    };
  }

  function initCheckout(config) {
    post(settings(config));
  }

  function post(fields) {
    const form = document.createElement("form");
    form.method = "POST";
    form.action = base + "checkout/initiate";
    for (const [name, value] of Object.entries(fields)) {
      const input = document.createElement("input");
      input.type = "hidden";
      input.name = name;
      input.value = value;
      form.appendChild(input);
    }
    document.body.appendChild(form);
    form.submit();
  }

  const COLORS = { Gold: ["#ffd814", "#111"], LightGray: ["#e7e9ec", "#111"], DarkGray: ["#3a4553", "#fff"] };

  const EMULATED = { en: "emulated", de: "nachgebildet", fr: "simulé", es: "simulado", it: "simulato", ja: "模擬" };

  function renderButton(selector, config) {
    const place = document.querySelector(selector);
    if (!place) throw new Error("Amazon Pay: nothing matches " + selector);
    need(config, "merchantId", "ledgerCurrency", "placement");
    const signsIn = /^SignIn/.test(config.productType || "");
    const [back, ink] = COLORS[config.buttonColor] || COLORS.Gold;
    const language = config.checkoutLanguage || "en_US";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "amazon-pay-button";
    button.textContent = signsIn ? "Sign in with Amazon" : "Amazon Pay";
    button.style.cssText = "font: 600 16px Arial, sans-serif; min-width: 200px; min-height: 45px; padding: 0 16px; cursor: pointer;" +
      "border: 1px solid rgba(0,0,0,.35); border-radius: 8px; background:" + back + ";color:" + ink;
    const note = document.createElement("small");
    button.appendChild(note);
    function estimate(amount) {
      config = { ...config, estimatedOrderAmount: amount };
      // Where Amazon's button mentions installments, this one says what it was told.
      const shown = amount && new Intl.NumberFormat(language.replace("_", "-"), { style: "currency", currency: amount.currencyCode });
      note.textContent = " " + (EMULATED[language.slice(0, 2)] || EMULATED.en) + (amount ? ", ≈ " + shown.format(amount.amount) : "");
    }
    estimate(usable(config.estimatedOrderAmount));
    place.replaceChildren(button);
    const handlers = [];
    const decoupled = !config.createCheckoutSessionConfig && !config.signInConfig;
    button.addEventListener("click", function () {
      if (handlers.length) handlers.forEach((handler) => handler());
      else initCheckout(config);
    });
    const later = { updateButtonInfo: (amount) => usable(amount) && estimate(amount) };
    if (!decoupled) return config.signInConfig ? undefined : later;
    return {
      ...later,
      onClick: (handler) => handlers.push(handler),
      // An estimate that the button has already counts more than one that comes with the click.
      initCheckout: (late) => initCheckout({
        ...config, ...late, estimatedOrderAmount: config.estimatedOrderAmount || late.estimatedOrderAmount,
      }),
    };
  }

  function bindChangeAction(selector, action) {
    document.querySelector(selector).addEventListener("click", function (event) {
      event.preventDefault();
      const query = new URLSearchParams({
        amazonCheckoutSessionId: action.amazonCheckoutSessionId, changeAction: action.changeAction,
      });
      window.location.assign(base + "checkout/initiate_auth?" + query);
    });
  }

  /* A click takes the buyer of a one-time permission to Amazon, to agree to a recurring one. */
  function bindUpgradeAction(selector, action) {
    need(action, "payloadJSON", "signature", "publicKeyId", "upgradeAction");
    document.querySelector(selector).addEventListener("click", function () {
      if (action.upgradeAction !== "recurringUpgrade" && action.upgradeAction !== "recurringUpdate") return;
      const payload = JSON.parse(action.payloadJSON);
      const fields = {
        payloadJSON: action.payloadJSON,
        signature: action.signature,
        publicKeyId: action.publicKeyId,
        algorithm: action.algorithm || "AMZN-PAY-RSASSA-PSS",
        merchantId: payload.merchantId,
        upgradeAction: action.upgradeAction,
        merchantDomain: window.location.hostname,
        origin_url: window.location.origin,
      };
      for (const name of ["checkoutLanguage", "scopes", "productType", "ledgerCurrency"]) {
        if (payload[name]) fields[name] = payload[name];
      }
      post(fields);
    });
  }

  window.amazon = window.amazon || {};
  const nothing = () => undefined; // nobody stays signed in here, and there are no banners
  window.amazon.Pay = {
    renderButton, initCheckout, bindChangeAction, bindUpgradeAction, signout: nothing, renderPromotionalMessage: nothing,
  };
})();
