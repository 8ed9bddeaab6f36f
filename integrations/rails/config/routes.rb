# frozen_string_literal: true

QRGate::Engine.routes.draw do
  get "whoami", to: "hooks#whoami"
  post "login", to: "hooks#login"
  post "revoke", to: "hooks#revoke"
end
