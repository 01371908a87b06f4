/* The emulator's checkout.js: the calls of Amazon's script, posting the same form to the same path of this host. */
(function () {
  "use strict";
  const host = new URL(document.currentScript.src);
  const base = host.href.replace(/checkout\.js.*$/, "");

  function need(config, ...names) {
    for (const name of names) if (!config[name]) throw new Error("Amazon Pay: " + name + " is missing.");
  }

  function settings(config) {
    const name = config.productType === "SignIn" ? "signInConfig" : "createCheckoutSessionConfig";
    need(config, name, "merchantId", "ledgerCurrency");
    const session = config[name];
    const publicKeyId = session.publicKeyId || config.publicKeyId || "";
    const prefix = publicKeyId.split("-")[0].toUpperCase();
    const live = prefix === "LIVE" || (prefix !== "SANDBOX" && config.sandbox === false);
    if (config.sandbox !== undefined && publicKeyId.includes("-") && config.sandbox === live) {
      throw new Error("Amazon Pay: sandbox contradicts the prefix of publicKeyId.");
    }
    return {
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
    const form = document.createElement("form");
    form.method = "POST";
    form.action = base + "checkout/initiate";
    for (const [name, value] of Object.entries(settings(config))) {
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

  function renderButton(selector, config) {
    const place = document.querySelector(selector);
    if (!place) throw new Error("Amazon Pay: nothing matches " + selector);
    need(config, "merchantId", "ledgerCurrency", "placement");
    const signsIn = /^SignIn/.test(config.productType || "");
    const [back, ink] = COLORS[config.buttonColor] || COLORS.Gold;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "amazon-pay-button";
    button.textContent = signsIn ? "Sign in with Amazon" : "Amazon Pay";
    button.style.cssText = "font: 600 16px Arial, sans-serif; min-width: 200px; min-height: 45px; padding: 0 16px; cursor: pointer;" +
      "border: 1px solid rgba(0,0,0,.35); border-radius: 8px; background:" + back + ";color:" + ink;
    const note = document.createElement("small");
    note.textContent = " emulated";
    button.appendChild(note);
    place.replaceChildren(button);
    const handlers = [];
    button.addEventListener("click", function () {
      if (handlers.length) handlers.forEach((handler) => handler());
      else initCheckout(config);
    });
    return {
      onClick: (handler) => handlers.push(handler),
      initCheckout: (late) => initCheckout({ ...config, ...late }),
      updateButtonInfo: () => undefined,
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

  window.amazon = window.amazon || {};
  window.amazon.Pay = { renderButton, initCheckout, bindChangeAction, signout: () => undefined };
})();
