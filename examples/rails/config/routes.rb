Rails.application.routes.draw do
  root "home#show"
  get "/session/new", to: "sessions#new"
  post "/session", to: "sessions#create"
  post "/session/end", to: "sessions#destroy"

  # qrgate: begin
  get "/_qr/whoami", to: "qr_hooks#whoami"
  post "/_qr/login", to: "qr_hooks#login"
  # qrgate: end
end
