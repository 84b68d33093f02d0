import './app.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { preferred, setLanguage } from './i18n/index.svelte';
import { applyTheme } from './shell/theme.svelte';

applyTheme();
await setLanguage(preferred());
mount(App, { target: document.getElementById('app')! });
