// The slider says where it stands, and compares when it is let go. Without this, its button does.
for (const form of document.querySelectorAll('[data-slider]')) {
  const range = form.querySelector('input[type="range"]')
  const said = form.querySelector('output')
  range.addEventListener('input', () => { said.value = range.value })
  range.addEventListener('change', () => form.requestSubmit())
}
