# frozen_string_literal: true

require "rails/generators"

module QRGate
  module Generators
    # `bin/rails generate qrgate:install`
    class InstallGenerator < ::Rails::Generators::Base
      namespace "qrgate:install"
      source_root File.expand_path("templates", __dir__)
      desc "Mounts the hooks at /_qr and writes config/initializers/qrgate.rb"

      def create_initializer
        template "qrgate.rb", "config/initializers/qrgate.rb"
      end

      def mount_engine
        route 'mount QRGate::Engine => "/_qr"'
      end
    end
  end
end
