// The viewer of the API's document.
window.addEventListener("DOMContentLoaded", () => {
  const main = document.getElementById("main");
  window.SwaggerUIBundle({ url: main.dataset.document, domNode: main, deepLinking: true, validatorUrl: null });
});
