require_relative "lib/qrgate/version"

Gem::Specification.new do |spec|
  spec.name = "qrgate-rails"
  spec.version = QRGate::VERSION
  spec.authors = ["The qrgate authors"]
  spec.summary = "The hooks of qrgate for Rails: sign in on your phone by scanning a code"
  spec.description = "An engine with the hooks that qrgate calls, helpers for the button and the link, and support " \
                     "for Devise, the authentication that Rails 8 generates, and plain sessions."
  spec.licenses = ["MIT", "Apache-2.0"]
  spec.required_ruby_version = ">= 3.0"
  spec.files = Dir["{app,config,lib}/**/*"].select { |path| File.file?(path) } +
               %w[README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE]
  spec.require_paths = ["lib"]
  spec.metadata = { "rubygems_mfa_required" => "true" }
  spec.add_dependency "railties", ">= 6.1", "< 9"
  spec.add_dependency "actionpack", ">= 6.1", "< 9"
end
