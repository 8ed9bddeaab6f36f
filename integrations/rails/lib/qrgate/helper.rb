# frozen_string_literal: true

module QRGate
  # For views.
  module Helper
    # A button to the page with the code, for people who are signed in. qrgate handles the form, so it needs no CSRF
    # token.
    def qrgate_button(label = "Sign in on your phone", **html)
      tag.form(tag.button(label, **html), method: "post", action: QRGate.configuration.ticket_path)
    end

    # A link to the page for typing a code, which a device that is signed in shows. `next_path`: where this device
    # lands.
    def qrgate_signin_link(label = "Sign in with your phone", next_path: "/", **html)
      # Only paths of this site: `//elsewhere` and `/\elsewhere` lead to another.
      path = next_path.to_s.match?(%r{\A/(?![/\\])[^\x00-\x20\x7f]*\z}) ? next_path : "/"
      link_to(label, "#{QRGate.configuration.ticket_path}code/?#{{ next: path }.to_query}", **html)
    end
  end
end
